"""Tasks: prompt pairs from a built-in task or a submitted file, as checked token ids."""

from discovery.tasks.base import MadePairs, PairSet, Task, TokenPair
from discovery.tasks.build import build_dataset
from discovery.tasks.registry import TASKS

__all__ = ["TASKS", "MadePairs", "PairSet", "Task", "TokenPair", "build_dataset"]
