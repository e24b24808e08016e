"""A zoo of small models trained here, in seconds, on random repeated sequences.

Transformers' own classes with two layers, so that every circuit method can be tried on models that
have an induction circuit (Olsson et al. 2022, arXiv:2209.11895) without any download, and on
controls that lack it. `RECIPES` is the zoo, `train` makes one model, `ensure_model` and `train_zoo`
keep them in a cache with checkpoints along the training, `train_together` several at once, and
`list_zoo` says what is there.
"""

from discovery.models.zoo.cache import (
    CHECKPOINTS_KEPT,
    SEEDS,
    ZooModel,
    ensure_demo_model,
    ensure_model,
    list_zoo,
    train_zoo,
)
from discovery.models.zoo.data import accuracy_by_period, repeated
from discovery.models.zoo.recipes import ACCURATE, CONTROLS, D_VOCAB, DEMO, N_CTX, RECIPES, Recipe
from discovery.models.zoo.together import Steps, train_together
from discovery.models.zoo.training import RECORD, TrainingRecord, accuracy, train

__all__ = [
    "ACCURATE",
    "CHECKPOINTS_KEPT",
    "CONTROLS",
    "DEMO",
    "D_VOCAB",
    "N_CTX",
    "RECIPES",
    "RECORD",
    "SEEDS",
    "Recipe",
    "Steps",
    "TrainingRecord",
    "ZooModel",
    "accuracy",
    "accuracy_by_period",
    "ensure_demo_model",
    "ensure_model",
    "list_zoo",
    "repeated",
    "train",
    "train_together",
    "train_zoo",
]
