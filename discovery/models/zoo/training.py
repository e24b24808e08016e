"""One training: what it leaves behind, and how it goes on after it was killed.

A training that keeps checkpoints keeps its state beside them: weights, the optimiser's moments and
the random stream as of the newest one. Taken up again it ends with the same weights as one that was
never stopped. Everything is safetensors and JSON; each file appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torch.nn import init
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers import logging as transformers_logging

from discovery.models.smeared import register
from discovery.models.zoo.data import accuracy_by_period, sampler
from discovery.models.zoo.recipes import Recipe, recipe_of
from discovery.progress import Progress, no_progress
from graph_schema.errors import SpecError

RECORD = "training.json"
"""The file in a model's folder that says how it was trained and how well it does."""
CHECKPOINTS = "checkpoints"
STATE = "state.safetensors"


@dataclass(frozen=True)
class TrainingRecord:
    """What `training.json` holds: the recipe, and the accuracy on repeated targets by period.

    `seed` is the model's number in its family, `training_seed` what it was trained with: another
    where `attempts` before it fell short. `losses` has each step's loss (nats), `checkpoints` a
    step, folder, loss and accuracy each. A checkpoint's own record stops at its step.
    """

    family: str
    seed: int
    steps: int
    accuracy: float
    by_period: dict[int, float]
    training_seed: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    cpu_seconds: float = 0.0
    checkpoints: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    losses: list[float] = field(default_factory=list[float])
    recipe: Recipe | None = field(default=None, repr=False)


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
    recipe = recipe_of(family)
    if out_dir.exists():
        raise SpecError(f"{out_dir} exists already; choose another folder")
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=".zoo-") as scratch:
        folder = Path(scratch) / "model"
        training = Training(family, recipe, seed, seed)
        training.run(progress)
        training.save(folder)
        os.replace(folder, out_dir)
    return out_dir


def accuracy(folder: Path) -> float:
    """The accuracy on repeated targets that a trained model's record holds, mean over periods."""
    return float(json.loads((folder / RECORD).read_text())["accuracy"])


class Training:
    """A training at some step.

    Args:
        family: The zoo's name.
        recipe: How it is trained.
        seed: The model's number in its family.
        training_seed: Of weights and data.
        work: Where checkpoints and state are kept; None to keep none.
        at: The steps after which a checkpoint is saved.
    """

    def __init__(
        self,
        family: str,
        recipe: Recipe,
        seed: int,
        training_seed: int,
        work: Path | None = None,
        at: tuple[int, ...] = (),
    ) -> None:
        self.family, self.recipe = family, recipe
        self.seed, self.training_seed = seed, training_seed
        self.work, self.at = work, at
        self.step, self.cpu_seconds = 0, 0.0
        self.losses: list[float] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.attempts: list[dict[str, Any]] = []
        self._generator = torch.Generator().manual_seed(training_seed)
        self.model = _new(recipe, training_seed)
        self._sample = sampler(recipe, self._generator)
        self._optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        if work is not None and (work / STATE).is_file():
            self._resume(work / STATE)

    def run(self, progress: Progress = no_progress) -> TrainingRecord:
        """Train to the end, on one thread; what `progress` raises passes through."""
        steps = self.recipe.steps
        fall = max(1.0, self.recipe.decay * steps)
        with _one_thread():
            began = time.process_time() - self.cpu_seconds
            if self.step == 0 and not self.checkpoints:
                self._keep(began)
            while self.step < steps:
                progress("train", self.step, steps)
                rate = min(1.0, (self.step + 1) / self.recipe.warmup, (steps - self.step) / fall)
                self.losses.append(self._one(rate * self.recipe.learning_rate))
                self.step += 1
                self._keep(began)
            progress("train", steps, steps)
            found = self.record()
            self.cpu_seconds = time.process_time() - began
            return replace(found, cpu_seconds=round(self.cpu_seconds, 1))

    def record(self) -> TrainingRecord:
        """How the training stands, its accuracy measured now."""
        self.model.eval()
        with _one_thread():
            by_period = accuracy_by_period(self.model)
        self.model.train()
        return TrainingRecord(
            family=self.family,
            seed=self.seed,
            steps=self.step,
            accuracy=sum(by_period.values()) / len(by_period),
            by_period=by_period,
            training_seed=self.training_seed,
            attempts=self.attempts,
            cpu_seconds=round(self.cpu_seconds, 1),
            checkpoints=self.checkpoints,
            losses=[round(loss, 5) for loss in self.losses],
            recipe=self.recipe,
        )

    def save(self, folder: Path, record: TrainingRecord | None = None) -> None:
        """Write the model with its record; other files of the folder stay."""
        folder.mkdir(parents=True, exist_ok=True)
        with _no_bar():
            self.model.save_pretrained(folder)
        text = json.dumps(asdict(record or self.record()), indent=2)
        (folder / RECORD).write_text(text + "\n")

    def _one(self, rate: float) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        tokens, scored = self._sample(self.recipe.batch)
        logits = self.model(input_ids=tokens, use_cache=False).logits[:, :-1]
        loss = F.cross_entropy(logits[scored], tokens[:, 1:][scored])
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimiser.step()
        return loss.item()

    # Checkpoints.

    def _keep(self, began: float) -> None:
        if self.work is None or self.step not in self.at:
            return
        self.cpu_seconds = time.process_time() - began
        name = f"{CHECKPOINTS}/step-{self.step:06d}"
        record = self.record()
        self.checkpoints.append(
            {
                "step": self.step,
                "folder": name,
                "loss": self.losses[-1] if self.losses else None,
                "accuracy": record.accuracy,
            }
        )
        target = self.work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work, prefix=".checkpoint-") as scratch:
            self.save(Path(scratch) / "model", replace(record, checkpoints=[]))
            if target.exists():  # from a run that was killed before it had said so
                shutil.rmtree(target)
            os.replace(Path(scratch) / "model", target)
        self._save_state(self.work / STATE)

    def _named(self) -> dict[str, Tensor]:
        return dict(self.model.named_parameters())

    def _save_state(self, file: Path) -> None:
        tensors: dict[str, Tensor] = {"generator": self._generator.get_state()}
        for name, weight in self._named().items():
            tensors[f"weight.{name}"] = weight.detach().clone()
            for key, value in self._optimiser.state[weight].items():
                tensors[f"{key}.{name}"] = value.clone()
        said = {
            "step": self.step,
            "training_seed": self.training_seed,
            "cpu_seconds": self.cpu_seconds,
            "losses": self.losses,
            "checkpoints": self.checkpoints,
        }
        part = file.with_suffix(".part")
        save_file(tensors, part, metadata={"training": json.dumps(said)})
        os.replace(part, file)

    def _resume(self, file: Path) -> None:
        with safe_open(file, "pt") as stored:  # pyright: ignore[reportUnknownVariableType]
            said = json.loads(stored.metadata()["training"])
            if said["training_seed"] != self.training_seed:
                return
            names: list[str] = stored.keys()
            tensors: dict[str, Tensor] = {name: stored.get_tensor(name) for name in names}
        self.step, self.losses = said["step"], said["losses"]
        self.cpu_seconds, self.checkpoints = said["cpu_seconds"], said["checkpoints"]
        self._generator.set_state(tensors.pop("generator"))
        with torch.no_grad():
            for name, weight in self._named().items():
                weight.copy_(tensors[f"weight.{name}"])
                if self.step:
                    self._optimiser.state[weight] = {
                        key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")
                    }


def _new(recipe: Recipe, seed: int) -> PreTrainedModel:
    register()
    config = AutoConfig.for_model(recipe.model_type, **recipe.config)
    how = {} if recipe.model_type == "smeared" else {"attn_implementation": "eager"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, **how)
        assert isinstance(model, PreTrainedModel)
        if recipe.embedding_std is not None:
            embedding = model.get_input_embeddings().weight
            assert isinstance(embedding, Tensor)
            init.normal_(embedding, std=recipe.embedding_std)
    return model.float().train()


@contextmanager
def _no_bar() -> Generator[None]:
    """Without transformers' progress bar."""
    bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
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
