"""Several models of the zoo trained at once, one in each process.

A training keeps one core busy, so two cores train two models in the time of one. The processes are
new ones (`spawn`): torch's threads do not survive a fork. How far each is stands in memory that
all share. Whoever asked may leave at any time: the processes end at their next step, or at once
where it is killed, and the next call goes on from the newest checkpoint.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

from discovery.models.zoo.cache import CHECKPOINTS_KEPT, ensure_model, folder_of
from discovery.models.zoo.recipes import recipe_of
from graph_schema.errors import ResourceError
from graph_schema.processes import die_with_parent

LOOK_SECONDS = 0.2
Steps = tuple[int, int]
"""Done, of how many; (0, 0) until the training has begun."""

_shared: Any = None
"""In a training process: two numbers a model, and at the end whether to stop."""


def train_together(
    cache_dir: Path,
    names: Sequence[tuple[str, int]],
    *,
    processes: int | None = None,
    steps: int | None = None,
    progress: Callable[[Sequence[Steps]], None] = lambda _: None,
) -> list[Path]:
    """The folders of these models, those trained first that are not there.

    Args:
        cache_dir: Where the zoo is kept.
        names: Families and numbers.
        processes: How many at once; None for as many as there are cores.
        steps: For a shorter training, as `ensure_model` takes them.
        progress: Told again and again how far each model is; what it raises ends the trainings.

    Raises:
        NumericsError: No training seed that was tried gave a model that does induction.
        ResourceError: A training process died.
    """
    folders = [_folder(cache_dir, name, steps) for name in names]
    missing = [i for i, folder in enumerate(folders) if not folder.exists()]
    if not missing:
        return folders
    context = multiprocessing.get_context("spawn")
    shared = context.RawArray("q", 2 * len(names) + 1)
    at_once = min(len(missing), processes or _cores())
    with ProcessPoolExecutor(at_once, context, _begin, (shared,)) as pool:
        try:
            trainings = [pool.submit(_train, i, cache_dir, *names[i], steps) for i in missing]
            while not all(each.done() for each in trainings):
                done, _ = wait(trainings, LOOK_SECONDS, FIRST_EXCEPTION)
                progress([(shared[2 * i], shared[2 * i + 1]) for i in range(len(names))])
                for each in done:
                    each.result()
        except BrokenProcessPool as error:
            raise ResourceError(
                "a process that trained a model of the zoo died, perhaps for want of memory; the "
                "same command goes on from its newest checkpoint"
            ) from error
        finally:
            shared[-1] = 1
            pool.shutdown(cancel_futures=True)
    return folders


def _folder(cache_dir: Path, name: tuple[str, int], steps: int | None) -> Path:
    family, seed = name
    recipe = recipe_of(family)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    return folder_of(cache_dir, family, seed, CHECKPOINTS_KEPT, recipe)


def _cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _begin(shared: Any) -> None:
    global _shared
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and says so by the array
    _shared = shared


def _train(place: int, cache_dir: Path, family: str, seed: int, steps: int | None) -> Path:
    def progress(stage: str, done: int, total: int) -> None:
        _shared[2 * place], _shared[2 * place + 1] = done, total
        if _shared[-1]:
            raise InterruptedError("whoever asked for this training has left")

    return ensure_model(cache_dir, family, seed, steps=steps, progress=progress)
