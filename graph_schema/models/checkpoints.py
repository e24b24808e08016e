"""Checkpoints of one training: folders that are models, each at its step, and the loss curve.

Read are the zoo's folders (`checkpoints/step-000100`, `training.json`) and those of transformers'
Trainer (`checkpoint-100`, `trainer_state.json`). Of a hub model, revisions such as `step1000` are
checkpoints (Pythia, Biderman et al. 2023, arXiv:2304.01373); its losses are not known.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from graph_schema.errors import ModelError
from graph_schema.models.files import CONFIG_FILE
from graph_schema.printable import quoted

RECORD, TRAINER_STATE = "training.json", "trainer_state.json"
MOST_STEPS = 10**12
MOST_BYTES = 64 * 2**20
_FOLDER = re.compile(r"(?:step|checkpoint)[-_]?(\d{1,12})", re.ASCII)
_REVISION = re.compile(r"(?:.*\D)?(\d{1,12})", re.ASCII)

Curve = tuple[tuple[int, float], ...]
"""Steps, rising, and the loss at each."""


@dataclass(frozen=True)
class Checkpoint:
    """A model at a step of its training.

    Attributes:
        step: After so many steps; 0 is the untrained model.
        model: Its folder, or the hub's id.
        revision: Of the hub's id.
        accuracy: As its own record says, of what it was trained on; None where it says nothing.
    """

    step: int
    model: str
    revision: str | None = None
    accuracy: float | None = None


def checkpoints_in(folder: Path) -> tuple[Checkpoint, ...]:
    """The checkpoints in a model's folder, by step.

    Raises:
        ModelError: There are none, or two of one step.
    """
    found: dict[int, Checkpoint] = {}
    for place in (folder / "checkpoints", folder):
        for each in sorted(place.iterdir()) if place.is_dir() else ():
            match = _FOLDER.fullmatch(each.name)
            if match is None or not (each / CONFIG_FILE).is_file():
                continue
            step = int(match[1])
            if step in found:
                raise ModelError(
                    f"model folder {str(folder)!r} has two checkpoints of step {step}: "
                    f"{found[step].model} and {each}; keep one"
                )
            accuracy = _number(_object(each / RECORD).get("accuracy"))
            found[step] = Checkpoint(step, str(each), accuracy=accuracy)
    if not found:
        raise ModelError(
            f"model folder {str(folder)!r} has no checkpoints; expected checkpoints/step-000100 or "
            "checkpoint-100, each a model folder (the zoo's have them: circuits zoo train), or a "
            "hub id with --revisions"
        )
    return tuple(found[step] for step in sorted(found))


def step_of(revision: str) -> int:
    """The step that a hub revision's name ends in: `step1000`.

    Raises:
        ModelError: It ends in none.
    """
    if (match := _REVISION.fullmatch(revision)) is None:
        raise ModelError(
            f"revision {quoted(revision)} does not end in the number of a step; expected names "
            "such as step1000"
        )
    return int(match[1])


def loss_curve(folder: Path) -> Curve:
    """The training's losses (its own, in nats for the zoo); empty where nothing says them."""
    losses = _object(folder / RECORD).get("losses")
    if isinstance(losses, list):
        numbers = map(_number, cast("list[object]", losses))
        return tuple((at, loss) for at, loss in enumerate(numbers, start=1) if loss is not None)
    points: dict[int, float] = {}
    for file in sorted([folder / TRAINER_STATE, *folder.glob(f"checkpoint-*/{TRAINER_STATE}")]):
        history = _object(file).get("log_history")
        for each in cast("list[object]", history) if isinstance(history, list) else []:
            row = cast("dict[str, Any]", each) if isinstance(each, dict) else {}
            step, loss = row.get("step"), _number(row.get("loss"))
            if isinstance(step, int) and 0 <= step < MOST_STEPS and loss is not None:
                points[step] = loss
    return tuple(sorted(points.items()))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def _object(file: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none, for records are not the model."""
    try:
        if file.stat().st_size > MOST_BYTES:
            return {}
        found = cast(object, json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
