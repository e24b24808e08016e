"""The named questions, by name: what each answers, its parameters, and the Cypher that asks it.

They stand in one file a subject (`of_models.py`, `of_verdicts.py`, `of_circuits.py`,
`of_features.py`), in the order in which they are listed; `ask.py` runs them.
"""

from __future__ import annotations

from types import MappingProxyType

from graph_schema.store.questions.of_circuits import CIRCUITS
from graph_schema.store.questions.of_features import FEATURES
from graph_schema.store.questions.of_models import MODELS
from graph_schema.store.questions.of_verdicts import VERDICTS

QUESTIONS = MappingProxyType(
    {question.name: question for question in (*MODELS, *VERDICTS, *CIRCUITS, *FEATURES)}
)
