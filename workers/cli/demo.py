"""The demo: is induction the same circuit in models of three families?

Three models of the zoo and a control are trained here, once. Then everything takes the way of every
real job: client, graph, queue, worker, artifacts, and back. What is found is told by
`demo_telling.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_schema.errors import MissingExtraError
from workers.client.bars import Bars
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.client import CircuitClient, Job

MOTIF = "induction"
MODELS = (("gpt2", 0), ("neox", 1), ("llama", 0))
CONTROL = ("fixed-period", 0)
"""It copies what stood 12 places back, which is as good as induction where all repeats by 12."""


@dataclass(frozen=True)
class Trained:
    """A model of the demo.

    Attributes:
        name: The zoo's, `gpt2/0`.
        path: Its folder.
        by_period: How often it copies the right token, by how far apart the copies are.
    """

    name: str
    path: Path
    by_period: dict[str, float]

    @property
    def is_control(self) -> bool:
        return self.name == "/".join(map(str, CONTROL))


def train_models(settings: Settings) -> list[Trained]:
    """The demo's models, trained unless they are there, as many at once as there are cores.

    Raises:
        MissingExtraError: Torch is not installed.
        NumericsError: One did not learn what it must, with any training seed.
    """
    try:
        from discovery.models.zoo import RECORD, Steps, train_together
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the demo trains models, and {error.name} is not installed; "
            'run: pip install "circuit-atlas[demo]"'
        ) from error
    wanted = [*MODELS, CONTROL]
    names = [f"{family}/{number}" for family, number in wanted]
    with Bars("training") as bars:

        def progress(steps: Sequence[Steps]) -> None:
            running = [
                f"{name} {done}/{total}"
                for name, (done, total) in zip(names, steps, strict=True)
                if 0 < done < total
            ]
            done, total = (sum(each[i] for each in steps) for i in (0, 1))
            bars("all steps", done, total, ", ".join(running))

        folders = train_together(settings.cache_dir, wanted, progress=progress)
    return [
        Trained(name, folder, _record(folder / RECORD)["by_period"])
        for name, folder in zip(names, folders, strict=True)
    ]


def submit_demo(client: CircuitClient, models: Sequence[Trained]) -> Job:
    """The demo's question, with all jobs that it needs: circuits, roles, effects of each model."""
    return client.universality(
        MOTIF,
        [str(model.path) for model in models],
        task="induction",
        stress="none",
    )


def _record(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))
