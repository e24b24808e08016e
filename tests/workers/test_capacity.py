"""What a machine serves, asked of the machine, of torch, and of who started the worker."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from graph_schema.documents.jobs import Demand, Device
from graph_schema.errors import ResourceError, SpecError
from workers import capacity
from workers.capacity import TorchDevice, ask_torch, checked_offer, likely_offer, offer_of
from workers.settings import Settings, read_settings

TORCH = f"""
from types import SimpleNamespace as Made
about = Made(name="made", total_memory={40 * 2**30})
cuda = Made(is_available=lambda: True, device_count=lambda: 1)
cuda.get_device_properties, cuda.mem_get_info = lambda _: about, lambda _: (7, {40 * 2**30})
version = Made(cuda="12", hip=None)
backends = Made(mps=Made(is_available=lambda: False))
"""


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "GPU_FILES", ())
    monkeypatch.setattr(capacity.sys, "platform", "linux")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_the_machines_memory_is_served() -> None:
    most = psutil.virtual_memory().total / capacity.GIB
    offer = checked_offer(Settings())
    assert list(offer.gib) == [Device.CPU]
    assert 0 < offer.gib[Device.CPU] <= most / capacity.ROOM
    assert likely_offer(Settings()) == offer_of(Settings()) == offer


@pytest.mark.usefixtures("no_gpu")
def test_a_gpu_that_is_not_here_is_not_served() -> None:
    asked = Settings(serves="cpu,cuda:40")
    with pytest.raises(ResourceError, match=r"serve cuda \(CIRCUITS_SERVES=cpu,cuda:40\)"):
        checked_offer(asked)


def test_torch_is_asked_where_there_may_be_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, which takes no module from the working folder."""
    for name, text in (("installed", TORCH), ("here", "open('ran', 'w').close()")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "torch.py").write_text(text)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    monkeypatch.setattr(capacity, "GPU_FILES", ("/",))
    monkeypatch.setattr(capacity.sys, "platform", "linux")
    capacity._gpus.cache_clear()
    try:
        offer = checked_offer(Settings(serves="cuda,cpu:3"))
        assert offer.gib == {Device.CUDA: 40, Device.CPU: 3}
        assert likely_offer(Settings()).serves(Demand(Device.CUDA, 1024)), "nobody has asked yet"
    finally:
        capacity._gpus.cache_clear()
    asked = ask_torch(Path(sys.executable), free=True)
    assert asked.cuda == (TorchDevice("made", 40 * 2**30, 7),)
    assert not Path("ran").exists()


def test_a_child_serves_what_its_main_process_said() -> None:
    told = offer_of(Settings(serves="cpu:3,cuda:40"))
    assert told.gib == {Device.CPU: 3, Device.CUDA: 40}


def test_what_a_container_may_take_bounds_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "jobs" / "one"
    own.mkdir(parents=True)
    (own / "memory.max").write_text("max\n")
    (own.parent / "memory.max").write_text(f"{6 * 2**30}\n")
    (tmp_path / "cgroup").write_text("4:cpu:/else\n0::/jobs/one\n")
    monkeypatch.setattr(capacity, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(capacity, "CGROUPS", tmp_path)
    assert list(capacity._limits()) == [6 * 2**30]


@pytest.mark.parametrize(
    ("size", "gib"), [(62.6, 64), (57, 57), (64, 64), (15.3, 16), (7.9, 8), (139.8, 139), (3.2, 3)]
)
def test_nearly_a_class_of_memory_counts_as_one(size: float, gib: int) -> None:
    assert capacity._gib(size * capacity.GIB) == gib


def test_a_setting_that_names_no_device_is_refused_by_its_name() -> None:
    with pytest.raises(SpecError, match=r"CIRCUITS_SERVES: .*'gpu' is none of cpu, cuda, mps"):
        read_settings(serves="gpu")
