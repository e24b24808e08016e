"""What a job is of, in words, without loading what jobs are: a shell that completes an id asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_and_task(asked: Mapping[str, Any], placed: Mapping[str, Any]) -> tuple[str, str]:
    """What a job's spec and placement, as JSON, call its model and its task; "" where none."""
    n_models = len(asked.get("models") or ())
    name = (placed.get("model") or {}).get("name", "")
    task: Any = (asked.get("data") or {}).get("task", "")
    return (
        f"{n_models} models" if n_models > 1 else name,
        task.get("name", "") if isinstance(task, dict) else task,
    )
