"""What a job needs of a worker, and what a worker has: a device, and memory on it.

A job's place (`Placement`) says both; neither is part of its id. Memory is counted in classes, so
that there is a queue for each thing a job may need, and a worker takes from those that it can
serve. The classes are no setting: every client and every worker must mean the same queue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

AUTO = "auto"
"""A job's device that is whatever its worker has."""
CLASSES = (8, 16, 32, 64, 128, 256, 512, 1024)
"""GiB: what a job asks for is rounded up to one of these."""
MOST_GIB = CLASSES[-1]

PART = re.compile(r"(\w+)(?::([0-9]{1,5}))?", re.ASCII)


class Device(StrEnum):
    """What a model's weights lie on. A worker has one of a kind at most."""

    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


DEVICES = (AUTO, *(device.value for device in Device))
"""What a request may name."""


@dataclass(frozen=True)
class Demand:
    """What a job needs: a device, and so many GiB of its memory (0: it does not say)."""

    device: Device = Device.CPU
    gib: int = 0

    @property
    def name(self) -> str:
        """`cpu`, `cuda`, `cpu-64g`: names its queue."""
        return f"{self.device}-{self.gib}g" if self.gib else self.device.value

    def __str__(self) -> str:
        return f"{self.device} and {self.gib} GiB" if self.gib else self.device.value


DEMANDS = tuple(Demand(device, gib) for device in Device for gib in (0, *CLASSES))
"""All there are."""


def demand_of(placement: str) -> Demand:
    """What a job with this placement (JSON, of whatever version) needs.

    `auto` runs on a CPU too. What cannot be read needs nothing special: its worker tells of it.
    """
    try:
        placed = json.loads(placement)
        name, gib = placed.get("device"), placed.get("memory_gib")
    except (ValueError, AttributeError):
        return Demand()
    found = str(name).partition(":")[0]  # an earlier version took `cuda:1`
    device = Device(found) if found in [each.value for each in Device] else Device.CPU
    return Demand(device, memory_class(gib) if isinstance(gib, int) and gib > 0 else 0)


def memory_class(gib: int) -> int:
    """The smallest class that holds so many GiB."""
    return next((each for each in CLASSES if each >= gib), MOST_GIB)


@dataclass(frozen=True)
class Offer:
    """What a worker serves: devices, each with its memory in GiB."""

    gib: Mapping[Device, int]

    def serves(self, demand: Demand) -> bool:
        return self.gib.get(demand.device, -1) >= demand.gib

    def demands(self) -> tuple[Demand, ...]:
        """All that it serves; first what the fewest workers do: a GPU, much memory."""
        served = [each for each in DEMANDS if self.serves(each)]
        return tuple(
            sorted(served, key=lambda each: (each.device is Device.CPU, -each.gib, each.name))
        )

    def device(self, gib: int | None = None) -> Device:
        """Where a job runs that takes whatever there is: a GPU that has so many GiB, else a CPU."""
        wanted = memory_class(gib) if gib else 0
        gpus = (Demand(device, wanted) for device in (Device.CUDA, Device.MPS))
        return next((each.device for each in gpus if self.serves(each)), Device.CPU)

    def __str__(self) -> str:
        """As `parse_offer` reads it."""
        return ",".join(f"{device}:{gib}" for device, gib in self.gib.items())


def parse_offer(text: str) -> dict[Device, int | None]:
    """Devices that a worker is to serve, from `cpu:64,cuda`; None: as much memory as there is.

    Raises:
        ValueError: It reads otherwise.
    """
    found: dict[Device, int | None] = {}
    for part in text.replace(" ", "").split(","):
        match = PART.fullmatch(part)
        known = [each.value for each in Device]
        if match is None or match[1] not in known or Device(match[1]) in found:
            raise ValueError(
                f"{part!r} is none of {', '.join(known)}, each once at most and with GiB of memory "
                "where they are to be said: cpu:64,cuda:80"
            )
        found[Device(match[1])] = None if match[2] is None else int(match[2])
    return found


def said_offer(text: str) -> Offer:
    """What a worker says that it serves (`str` of its `Offer`).

    Of one of a later version with devices that are not known here it is nothing: no job here asks
    for those.
    """
    try:
        return Offer({device: gib or 0 for device, gib in parse_offer(text).items()})
    except ValueError:
        return Offer({})


def served(offers: Iterable[Offer]) -> str:
    """What some workers serve, together: `cpu with 64 GiB, cuda with 80 GiB`."""
    most: dict[Device, int] = {}
    for offer in offers:
        for device, gib in offer.gib.items():
            most[device] = max(gib, most.get(device, 0))
    return ", ".join(f"{device} with {most[device]} GiB" for device in Device if device in most)
