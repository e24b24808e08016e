"""The zoo on disk: which of its models are trained, and training those that are not, once.

A model is kept under its family, number, recipe's hash and number of checkpoints, so a changed
recipe is another model. Until it is finished it lies in a hidden folder beside, from where a later
call, of this process or another, takes it up. Processes wait for each other at a lock a model.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from discovery.models.zoo.recipes import (
    ACCURATE,
    CONTROLS,
    DEMO,
    RECIPES,
    Recipe,
    recipe_of,
)
from discovery.models.zoo.training import RECORD, STATE, Training
from discovery.progress import Progress, no_progress
from graph_schema.errors import NumericsError, SpecError

SEEDS = 3
CHECKPOINTS_KEPT = 10
"""After the untrained model, evenly over the training; the last is the trained model."""
TRIES = 4
"""Trainings of a model before it is given up."""
_APART = 100
"""From a training's seed to that of the next try: no other number of the zoo has it."""


@dataclass(frozen=True)
class ZooModel:
    """A model of the zoo; figures are None until it is trained.

    Attributes:
        name: `llama/1`.
        path: Where it lies, or will.
        attempts: Trainings before it that fell short of the accuracy, with their seeds.
    """

    name: str
    family: str
    seed: int
    path: str
    trained: bool
    accuracy: float | None = None
    by_period: dict[str, float] | None = None
    steps: int | None = None
    training_seed: int | None = None
    attempts: tuple[dict[str, Any], ...] = ()
    cpu_seconds: float | None = None
    checkpoints: tuple[dict[str, Any], ...] = ()


def folder_of(
    cache_dir: Path, family: str, seed: int, n_checkpoints: int, recipe: Recipe | None = None
) -> Path:
    """Where a model of the zoo lies once it is trained."""
    recipe = recipe or recipe_of(family)
    return cache_dir / "zoo" / f"{family}-{seed}-{recipe.sha256[:12]}-{n_checkpoints}"


def ensure_model(
    cache_dir: Path,
    family: str,
    seed: int = 0,
    *,
    n_checkpoints: int = CHECKPOINTS_KEPT,
    steps: int | None = None,
    progress: Progress = no_progress,
) -> Path:
    """The folder of a model of the zoo, trained unless it is there.

    A family that is to learn induction and does not with one training seed is trained with the
    next; the record says so. `steps` is for a shorter training, which is another recipe and need
    not learn anything.

    Raises:
        SpecError: No such family, or a number under 0.
        NumericsError: No training seed that was tried gave a model that does induction.
    """
    recipe = recipe_of(family)
    if seed < 0 or n_checkpoints < 0:
        what = f"seed {seed}" if seed < 0 else f"{n_checkpoints} checkpoints"
        raise SpecError(f"{what} of the zoo's {family}; expected a number from 0")
    must = family not in CONTROLS and steps is None
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    target = folder_of(cache_dir, family, seed, n_checkpoints, recipe)
    at = checkpoint_steps(recipe.steps, n_checkpoints)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        if not target.exists():
            work = target.parent / f".{target.name}.part"
            _train_into(work, family, recipe, seed, at, must, progress)
            os.replace(work, target)
    return target


def checkpoint_steps(steps: int, n_checkpoints: int) -> tuple[int, ...]:
    """After which steps: 0 and `n_checkpoints` more, evenly to the end; none for 0."""
    if n_checkpoints == 0:
        return ()
    return tuple(sorted({round(steps * i / n_checkpoints) for i in range(n_checkpoints + 1)}))


def _train_into(
    work: Path,
    family: str,
    recipe: Recipe,
    seed: int,
    at: tuple[int, ...],
    must: bool,
    progress: Progress,
) -> None:
    failed = work / "attempts.json"
    attempts: list[dict[str, Any]] = json.loads(failed.read_text()) if failed.exists() else []
    while len(attempts) < TRIES:
        training_seed = seed + _APART * len(attempts)
        training = Training(family, recipe, seed, training_seed, work, at)
        training.attempts = attempts
        record = training.run(progress)
        if not must or record.accuracy >= ACCURATE:
            training.save(work, record)
            for file in (work / STATE, failed, *work.glob("*.part")):
                file.unlink(missing_ok=True)
            for scratch in work.glob(".checkpoint-*"):  # of a run that was killed
                shutil.rmtree(scratch)
            return
        attempts.append({"training_seed": training_seed, "accuracy": record.accuracy})
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        failed.write_text(json.dumps(attempts))
    shutil.rmtree(work)
    reached = max(float(each["accuracy"]) for each in attempts)
    raise NumericsError(
        f"the zoo's {family}/{seed} reached accuracy {reached:.2f} in {TRIES} trainings; expected "
        f"{ACCURATE}: report this with the versions of torch and transformers"
    )


def ensure_demo_model(cache_dir: Path, progress: Progress = no_progress) -> Path:
    """The demo's GPT-2, trained at the first call and kept under its recipe's hash.

    Raises:
        NumericsError: No training seed that was tried gave a model that does induction.
    """
    return ensure_model(cache_dir, DEMO, 0, progress=progress)


def train_zoo(
    cache_dir: Path,
    names: Sequence[tuple[str, int]],
    *,
    n_checkpoints: int = CHECKPOINTS_KEPT,
    progress: Callable[[str], Progress] = lambda _: no_progress,
) -> Iterator[ZooModel]:
    """Each model in turn, trained unless it is there; `progress` is asked for by name."""
    for family, seed in names:
        folder = folder_of(cache_dir, family, seed, n_checkpoints)
        if not folder.exists():
            report = progress(f"{family}/{seed}")
            ensure_model(cache_dir, family, seed, n_checkpoints=n_checkpoints, progress=report)
        yield _read(folder, family, seed)


def list_zoo(cache_dir: Path, n_seeds: int = SEEDS) -> list[ZooModel]:
    """The whole zoo, trained or not, and trained models of other numbers or checkpoints."""
    found: list[ZooModel] = []
    for family, recipe in RECIPES.items():
        known = {
            seed: folder_of(cache_dir, family, seed, CHECKPOINTS_KEPT) for seed in range(n_seeds)
        }
        found += [_read(folder, family, seed) for seed, folder in known.items()]
        for folder in sorted((cache_dir / "zoo").glob(f"{family}-*-{recipe.sha256[:12]}-*")):
            number = folder.name.removeprefix(f"{family}-").split("-")[0]
            if folder not in known.values() and number.isdecimal():
                found.append(_read(folder, family, int(number)))
    return found


def _read(folder: Path, family: str, seed: int) -> ZooModel:
    name = f"{family}/{seed}"
    if not (folder / RECORD).is_file():
        return ZooModel(name, family, seed, str(folder), trained=False)
    said = json.loads((folder / RECORD).read_text())
    return ZooModel(
        name=name,
        family=family,
        seed=seed,
        path=str(folder),
        trained=True,
        accuracy=said["accuracy"],
        by_period=said["by_period"],
        steps=said["steps"],
        training_seed=said["training_seed"],
        attempts=tuple(said["attempts"]),
        cpu_seconds=said["cpu_seconds"],
        checkpoints=tuple(said["checkpoints"]),
    )
