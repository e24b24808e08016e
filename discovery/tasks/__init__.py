"""Tasks: prompt pairs from a built-in task or a submitted file, as checked token ids."""

from typing import TYPE_CHECKING

from graph_schema.on_demand import on_demand

if TYPE_CHECKING:
    from discovery.tasks.base import MadePairs, PairSet, Task, TokenPair
    from discovery.tasks.build import build_dataset
    from discovery.tasks.registry import TASKS
else:  # most of it loads torch, and a plan needs none
    __getattr__, __dir__ = on_demand(__name__)

__all__ = ["TASKS", "MadePairs", "PairSet", "Task", "TokenPair", "build_dataset"]
