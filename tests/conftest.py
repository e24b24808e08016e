"""Order, markers and the fixtures that the whole suite shares.

Everyday tests run first; then `slow` ones and those that need a server, a real model or a browser.
In several processes files are handed out whole, those with long tests first, so that none of them
is left to a single process at the end.
In CI a `needs_*` test that skips is a failure: a missing part must not pass. What a machine itself
cannot give, a GPU or leave to make containers, may be missing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from zlib import crc32

import pytest

# No file of settings of whoever runs the tests.
os.environ["CIRCUITS_CONFIG"] = os.devnull

pytest_plugins = ["tests.servers", "tests.real_models"]

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:
    pass  # the light client's environment
else:
    # How long an example takes, or a draw, says something of the machine alone.
    # In CI the same examples each time: what fails there fails for whoever changed something.
    settings.register_profile(
        "untimed",
        settings(),
        deadline=None,
        derandomize=os.environ.get("CI", "").lower() in ("1", "true"),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("untimed")

# The light client is tested where torch is missing, in an environment of its own (.ci/run).
collect_ignore = ["light"] if find_spec("torch") else []

SHAPED = Path(__file__).parent / "discovery"
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
NO_CONTAINERS = "no container can be made of this machine's own files"
"""Begins the reason of a skip that CI may have: nothing can be installed against it."""


def _is_everyday(item: pytest.Item) -> bool:
    return not any(
        mark.name == "slow" or mark.name.startswith("needs_") for mark in item.iter_markers()
    )


_checked = pytest.StashKey[bool]()


def _choose_who_checks_shapes(items: list[pytest.Item]) -> None:
    """Those of `tests/discovery`, which reach all that has shapes; what else runs jobs runs the
    same code. Of a test its first case, and about one in three of the others, always the same ones:
    by their names and not by their places, or in a grid one side's cases would be left out."""
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        chosen = test not in seen or crc32(item.nodeid.encode()) % 3 == 0
        item.stash[_checked] = chosen and SHAPED in item.path.parents
        seen.add(test)


def pytest_configure(config: pytest.Config) -> None:
    # xdist's own order, files of one test last, would leave the longest of all to the end.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    _choose_who_checks_shapes(items)
    items.sort(key=lambda item: not _is_everyday(item))
    if "PYTEST_XDIST_WORKER" in os.environ:
        long = Counter(item.path for item in items if not _is_everyday(item))
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path not in long, -tests[item.path]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    needs = {mark.name for mark in item.iter_markers() if mark.name.startswith("needs_")}
    may = needs == {"needs_gpu"} or NO_CONTAINERS in str(report.longrepr)
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and needs and not may:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where {sorted(needs)} must be there: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def zoo_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the zoo's models of a whole test run lie: each is trained once, whoever asks first."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "zoo"


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """As in a worker: one thread a process, so that figures do not depend on the machine."""
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell's background job ignores it, and so would every process that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _shapes_are_checked_every_day(request: pytest.FixtureRequest) -> Generator[None]:
    """Only everyday tests check shapes and types at every call, and of those the ones chosen: it
    makes an edge's test thrice as slow, and the others run the same code ten thousand times."""
    try:
        from jaxtyping import config
    except ModuleNotFoundError:
        yield
        return
    before, node = config.jaxtyping_disable, request.node
    checked = _is_everyday(node) and node.stash.get(_checked, False)
    config.update("jaxtyping_disable", before or not checked)
    yield
    config.update("jaxtyping_disable", before)
