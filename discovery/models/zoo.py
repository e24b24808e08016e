"""A zoo of small models trained here, in seconds, on random repeated sequences.

They are transformers' own classes with two layers, so every circuit method can be tried on a model
that has an induction circuit (Olsson et al. 2022, arXiv:2209.11895) without any download. The
negative controls lack what the circuit needs: a second layer, a varying period, or repetition.
`RECIPES` is the zoo; `train` makes one model, `ensure_demo_model` the one of the demo, cached.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional as F
from torch.nn import init
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers import logging as transformers_logging

from discovery.progress import Progress, no_progress
from graph_schema.documents import sha256_hex
from graph_schema.errors import NumericsError, SpecError

DEMO = "gpt2"
D_VOCAB, N_CTX = 64, 48
ACCURATE = 0.95
RECORD = "training.json"
"""The file in a model's folder that says how it was trained and how well it does."""

_SPECIAL: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
_SHARED: dict[str, Any] = {
    **_SPECIAL,
    "vocab_size": D_VOCAB,
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "max_position_embeddings": N_CTX,
}
_GROUPED = {**_SHARED, "num_key_value_heads": 2, "head_dim": 16}
_GEMMA = {**_GROUPED, "initializer_range": 0.125}


@dataclass(frozen=True)
class Recipe:
    """How a model of the zoo is made.

    `data` is `repeat`: random segments of `min_period` to `max_period` tokens, repeated, or
    `markov`: a random first-order chain, which needs no attention. Without a larger
    `embedding_std` RMSNorm families drown their small embeddings in the first layer's writes, and
    learn induction only after some thousand steps.
    """

    model_type: str
    config: dict[str, Any]
    data: Literal["repeat", "markov"] = "repeat"
    min_period: int = 4
    max_period: int = 20
    embedding_std: float | None = None
    steps: int = 500
    batch: int = 32
    learning_rate: float = 3e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    warmup: int = 30
    decay: float = 0.2
    """The share of steps at the end over which the learning rate falls to 0."""

    @property
    def sha256(self) -> str:
        """Identifies the recipe: the cache key of the model it makes."""
        return sha256_hex(json.dumps(asdict(self), sort_keys=True))


_GPT2 = Recipe(
    "gpt2",
    {
        **_SPECIAL,
        "vocab_size": D_VOCAB,
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 8,
        "n_positions": N_CTX,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    },
    steps=600,
)

RECIPES: dict[str, Recipe] = {
    "gpt2": _GPT2,
    "neox": Recipe("gpt_neox", _SHARED),
    "llama": Recipe("llama", _SHARED, embedding_std=0.3),
    "qwen2": Recipe("qwen2", _GROUPED, embedding_std=0.3),
    "gemma2": Recipe("gemma2", {**_GEMMA, "query_pre_attn_scalar": 16}),
    "gemma3": Recipe("gemma3_text", {**_GEMMA, "query_pre_attn_scalar": 4}),
    "one-layer": replace(_GPT2, config={**_GPT2.config, "n_layer": 1}),
    "fixed-period": replace(_GPT2, min_period=12, max_period=12),
    "markov": replace(_GPT2, data="markov"),
}


@dataclass(frozen=True)
class TrainingRecord:
    """What `training.json` holds: the recipe, and the accuracy on repeated targets by period."""

    family: str
    seed: int
    steps: int
    accuracy: float
    by_period: dict[int, float]
    recipe: Recipe = field(repr=False)


def train(
    family: str,
    out_dir: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Train a model of the zoo on one thread and save it as a transformers folder.

    The folder (safetensors, no tokenizer, `training.json`) appears whole or not at all.

    Raises:
        SpecError: No such family, or `out_dir` is there already.
    """
    if family not in RECIPES:
        raise SpecError(f"family {family!r} is not in the zoo; expected {', '.join(RECIPES)}")
    if out_dir.exists():
        raise SpecError(f"{out_dir} exists already; choose another folder")
    recipe = RECIPES[family]
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    with _one_thread():
        model = _trained(recipe, seed, progress)
        by_period = accuracy_by_period(model)
    accuracy = sum(by_period.values()) / len(by_period)
    record = TrainingRecord(family, seed, recipe.steps, accuracy, by_period, recipe)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=".zoo-") as scratch:
        folder = Path(scratch) / "model"
        _save(model, folder)
        (folder / RECORD).write_text(json.dumps(asdict(record), indent=2) + "\n")
        os.replace(folder, out_dir)
    return out_dir


def accuracy(folder: Path) -> float:
    """The accuracy on repeated targets that a trained model's record holds, mean over periods."""
    return float(json.loads((folder / RECORD).read_text())["accuracy"])


def ensure_demo_model(cache_dir: Path, progress: Progress = no_progress) -> Path:
    """The demo's GPT-2, trained at the first call and kept under its recipe's hash.

    Raises:
        NumericsError: Three seeds in a row failed to learn induction.
    """
    target = cache_dir / f"demo-{DEMO}-{RECIPES[DEMO].sha256[:12]}"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / f".{target.name}.lock"):
        if target.exists():
            return target
        reached = 0.0
        for seed in range(3):
            with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".demo-") as scratch:
                made = train(DEMO, Path(scratch) / "model", seed=seed, progress=progress)
                reached = accuracy(made)
                if reached >= ACCURATE:
                    os.replace(made, target)
                    return target
        raise NumericsError(
            f"the demo model reached accuracy {reached:.2f} in 3 trainings; expected {ACCURATE}: "
            "report this with the versions of torch and transformers"
        )


def _save(model: PreTrainedModel, folder: Path) -> None:
    """Write the folder without transformers' progress bar."""
    bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if bar:
            transformers_logging.enable_progress_bar()


@contextmanager
def _one_thread() -> Generator[None]:
    """Small matrices are fastest on one thread; the caller's setting comes back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _trained(recipe: Recipe, seed: int, progress: Progress) -> PreTrainedModel:
    generator = torch.Generator().manual_seed(seed)
    model = _new(recipe, seed)
    sample = _sampler(recipe, generator)
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
    )
    fall = max(1.0, recipe.decay * recipe.steps)
    for step in range(recipe.steps):
        progress("train", step, recipe.steps)
        rate = min(1.0, (step + 1) / recipe.warmup, (recipe.steps - step) / fall)
        for group in optimiser.param_groups:
            group["lr"] = rate * recipe.learning_rate
        tokens, scored = sample(recipe.batch)
        logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
        loss = F.cross_entropy(logits[scored], tokens[:, 1:][scored])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    progress("train", recipe.steps, recipe.steps)
    return model.eval()


def _new(recipe: Recipe, seed: int) -> PreTrainedModel:
    config = AutoConfig.for_model(recipe.model_type, **recipe.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        assert isinstance(model, PreTrainedModel)
        if recipe.embedding_std is not None:
            embedding = model.get_input_embeddings().weight
            assert isinstance(embedding, Tensor)
            init.normal_(embedding, std=recipe.embedding_std)
    return model.float().train()


Sample = Callable[[int], tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch target"]]]
"""From a batch size to tokens, and which of their next tokens count in the loss."""


def _sampler(recipe: Recipe, generator: torch.Generator) -> Sample:
    if recipe.data == "markov":
        return _markov(generator)
    return lambda batch: repeated(batch, recipe.min_period, recipe.max_period, generator)


def repeated(
    batch: int, min_period: int, max_period: int, generator: torch.Generator
) -> tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch target"]]:
    """Segments of distinct random tokens, repeated; targets count after one full period."""
    period = torch.randint(min_period, max_period + 1, (batch, 1), generator=generator)
    order = torch.rand(batch, D_VOCAB, generator=generator).argsort(dim=1)
    place = torch.arange(N_CTX).expand(batch, N_CTX)
    return order.gather(1, place % period), place[:, 1:] > period


def _markov(generator: torch.Generator) -> Sample:
    """A chain in which every token has four successors, drawn once; every target counts."""
    successors = torch.randint(D_VOCAB, (D_VOCAB, 4), generator=generator)

    def sample(batch: int) -> tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch target"]]:
        choice = torch.randint(4, (batch, N_CTX), generator=generator)
        tokens = torch.randint(D_VOCAB, (batch, N_CTX), generator=generator)
        for i in range(1, N_CTX):
            tokens[:, i] = successors[tokens[:, i - 1], choice[:, i]]
        return tokens, torch.ones(batch, N_CTX - 1, dtype=torch.bool)

    return sample


@torch.no_grad()
def accuracy_by_period(
    model: PreTrainedModel, periods: tuple[int, ...] = (4, 8, 12, 16, 20), batch: int = 64
) -> dict[int, float]:
    """Share of repeated targets that are the top token, by repeat period, on fresh sequences."""
    generator = torch.Generator().manual_seed(2**31)
    found: dict[int, float] = {}
    for period in periods:
        tokens, scored = repeated(batch, period, period, generator)
        top = model(input_ids=tokens).logits[:, :-1].argmax(-1)
        found[period] = (top == tokens[:, 1:])[scored].double().mean().item()
    return found
