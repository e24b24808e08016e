"""What this machine can serve: its devices, each with its memory.

Torch is asked in a process of its own, and only where there may be a GPU: neither a worker's main
process nor a client loads it.
"""

from __future__ import annotations

import functools
import json
import logging
import platform
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import psutil

from graph_schema.documents.jobs import Device, Offer, memory_class, parse_offer
from graph_schema.errors import ResourceError
from workers.settings import Settings

log = logging.getLogger(__name__)

GIB = 2**30
ROOM = 0.9
"""A machine of 64 GiB says that it has 62: it is of the class that it has so much of."""
GPU_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
CGROUP, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
ASK_SECONDS = 120.0

_ASK_TORCH = """
import json, sys, torch
cuda, mps = torch.cuda, torch.backends.mps.is_available()
found = {"built": torch.version.cuda or torch.version.hip, "devices": []}
for number in range(cuda.device_count() if cuda.is_available() else 0):
    about = cuda.get_device_properties(number)
    free = cuda.mem_get_info(number)[0] if "free" in sys.argv else None
    found["devices"].append({"name": about.name, "total": about.total_memory, "free": free})
found["mps"] = torch.mps.recommended_max_memory() if mps else None
print(json.dumps(found))
"""


@dataclass(frozen=True)
class TorchDevice:
    """A GPU as torch sees it, its memory in bytes; `free` where it was asked for."""

    name: str
    total: int
    free: int | None = None


@dataclass(frozen=True)
class TorchFinds:
    """What torch computes on beside the CPU.

    Attributes:
        built: The version of CUDA or ROCm that it is built for.
        mps: Bytes that Apple's GPU may take; None where there is none.
    """

    built: str | None
    cuda: tuple[TorchDevice, ...]
    mps: int | None


def ask_torch(python: Path, seconds: float = ASK_SECONDS, *, free: bool = False) -> TorchFinds:
    """What the torch of an interpreter finds, asked in a process of its own: a driver may hang.

    Args:
        python: The interpreter; it takes no module from the working folder.
        seconds: How long it may take.
        free: Ask for free memory too, which takes a little of each GPU's.

    Raises:
        OSError: The interpreter does not run.
        subprocess.TimeoutExpired: It takes longer.
        subprocess.CalledProcessError: Torch cannot be loaded; `stderr` says why.
    """
    asked = [str(python), "-P", "-c", _ASK_TORCH, *(["free"] if free else [])]
    ran = subprocess.run(asked, capture_output=True, text=True, timeout=seconds, check=True)
    found = json.loads(ran.stdout.splitlines()[-1])
    devices = tuple(TorchDevice(**each) for each in found["devices"])
    return TorchFinds(found["built"], devices, found["mps"])


def offer_of(settings: Settings) -> Offer:
    """What a worker serves that was started with these settings: as its main process said."""
    named = {} if settings.serves is None else parse_offer(settings.serves)
    told = {device: gib for device, gib in named.items() if gib is not None}
    return Offer(told) if told and len(told) == len(named) else checked_offer(settings)


def checked_offer(settings: Settings) -> Offer:
    """What a worker with these settings is to serve: what they name, else all there is.

    Raises:
        ResourceError: They name a device that this machine has not.
    """
    named = None if settings.serves is None else parse_offer(settings.serves)
    asks = named is None or any(device is not Device.CPU for device in named)
    here = {Device.CPU: _memory()} | (_gpus() if asks and may_have_gpu() else {})
    if named is None:
        return Offer(here)
    if missing := [device for device in named if device not in here]:
        raise ResourceError(
            f"this worker is to serve {missing[0]} (CIRCUITS_SERVES={settings.serves}), but torch "
            f"finds none here: it has {', '.join(here)}; install its driver and a torch that is "
            "made for it, or leave it out"
        )
    return Offer({device: here[device] if gib is None else gib for device, gib in named.items()})


def likely_offer(settings: Settings) -> Offer:
    """What a worker on this machine would serve, as far as can be said without torch.

    A GPU that there may be counts as there, with any memory.
    """
    named = {} if settings.serves is None else parse_offer(settings.serves)
    devices = set(named) or set(Device if may_have_gpu() else (Device.CPU,))
    most = memory_class(10**6)
    had = {device: _memory() if device is Device.CPU else most for device in devices}
    return Offer({device: named.get(device) or gib for device, gib in had.items()})


def may_have_gpu() -> bool:
    """Whether there is anything that torch could use as one."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(Path(file).exists() for file in GPU_FILES)


@functools.cache
def _gpus() -> dict[Device, int]:
    try:
        torch = ask_torch(Path(sys.executable))
    except (subprocess.SubprocessError, OSError) as error:
        log.warning("torch does not say which GPUs are here, and none is served: %s", error)
        return {}
    here = {Device.CUDA: _gib(torch.cuda[0].total)} if torch.cuda else {}
    return here if torch.mps is None else here | {Device.MPS: _gib(torch.mps)}


def _memory() -> int:
    """GiB that this process may take: the machine's, or less where its group is limited."""
    return _gib(min([psutil.virtual_memory().total, *_limits()]))


def _limits() -> Generator[int]:
    """Limits on memory (bytes) of this process's control groups: of a container, of a batch job."""
    try:
        groups = CGROUP.read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, kinds, path = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        root = CGROUPS / kinds
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            for name in ("memory.max", "memory.limit_in_bytes"):
                try:
                    yield int((folder / name).read_text())
                except (OSError, ValueError):  # not there, or "max"
                    continue
            if folder == root:
                break


def _gib(size: float) -> int:
    """So many bytes in GiB; nearly a class of memory counts as all of it."""
    upper = memory_class(-int(-size // GIB))
    return upper if ROOM * upper <= size / GIB <= upper else int(size // GIB)
