"""What is installed: versions against bounds and constraints, GPU, the embedded store's Java."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Generator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

import workers
from graph_schema.store.servers.embedded import package_folder
from workers.capacity import TorchDevice, ask_torch
from workers.doctor.checks import Finding, fail, ok, warn
from workers.setting_origins import strangers
from workers.settings import Settings

OWN = "circuit-atlas"
SHOWN = ("torch", "transformers", "celery", "neo4j")
FOR_JOBS = ("torch", "transformers")
CONSTRAINTS = Path(workers.__file__).parent.parent / "constraints.txt"
"""Beside a checkout of the source; not in a wheel."""
MOST_NAMED = 5
JAVA_SECONDS = 8.0
GPU_SECONDS = 60.0


def versions() -> Generator[Finding]:
    """Versions of Python, of ours and of what matters most; what lies outside of its bounds."""
    own = _installed(OWN)
    parts = [f"Python {platform.python_version()}", f"{OWN} {own or 'not installed as a package'}"]
    parts += [f"{name} {found}" for name in SHOWN if (found := _installed(name))]
    yield ok("versions", ", ".join(parts))
    if missing := [name for name in FOR_JOBS if _installed(name) is None]:
        yield warn(
            "versions",
            f"{' and '.join(missing)} not installed: this is a client, no job is done here",
            f'where jobs are to be done: pip install "{OWN}[worker]"',
        )
    if own is not None and (bad := _out_of_bounds(metadata.requires(OWN) or [])):
        yield fail(
            "versions", f"outside of what the code needs: {_some(bad)}", f'pip install "{OWN}"'
        )


def tested() -> Generator[Finding]:
    """Whether what is installed is what was tested (`constraints.txt`)."""
    if not CONSTRAINTS.is_file():
        yield ok("tested", "no constraints.txt beside the code to compare with")
        return
    pins = _requirements(CONSTRAINTS.read_text().splitlines())
    other = [
        f"{pin.name} {found} (tested: {pin.specifier})"
        for pin in pins
        if (found := _installed(pin.name)) and not pin.specifier.contains(found, prereleases=True)
    ]
    if other:
        yield warn(
            "tested",
            f"not the tested versions: {_some(other)}",
            f"pip install -c {CONSTRAINTS} …, as the README has it",
        )
    else:
        yield ok("tested", f"what is installed of {len(pins)} packages has the tested version")


def variables(settings: Settings) -> Generator[Finding]:
    """Whether each variable that looks like a setting's is one: one that is none says nothing."""
    found = strangers()
    for name, near in found.items():
        hint = f"did you mean {near}? " if near else ""
        yield warn("settings", f"{name} is set, and no setting is called so", f"{hint}unset it")
    if not found:
        yield ok("settings", "every CIRCUITS_… variable is a setting's")


def java(settings: Settings) -> Generator[Finding]:
    """Whether the embedded store's own Java runs."""
    if not settings.local:
        return
    program = package_folder() / "jre" / "bin" / "java"
    try:
        ran = subprocess.run(
            [str(program), "-version"],
            capture_output=True,
            text=True,
            timeout=JAVA_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield fail("java", f"{program} does not run: {error}", _reinstall())
        return
    # Before it may stand which options it picked up.
    said = [line for line in (ran.stderr or ran.stdout).splitlines() if "version" in line]
    if ran.returncode:
        yield fail("java", f"{program} ends with {ran.returncode}: {said[:1]}", _reinstall())
    else:
        yield ok("java", f"{said[0] if said else 'answers'}, for the embedded store")


def gpu(settings: Settings) -> Generator[Finding]:
    """What torch computes on, asked in a process of the worker's interpreter."""
    try:
        found = ask_torch(settings.worker_python, GPU_SECONDS - 2, free=True)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word"])[-1]
        yield warn("gpu", f"torch cannot be loaded: {last}", f'pip install "{OWN}[worker]"')
        return
    except (OSError, subprocess.TimeoutExpired) as error:
        yield fail("gpu", f"torch cannot be asked: {error}", "see CIRCUITS_WORKER_PYTHON")
        return
    if found.cuda:
        named = [f"{each.name} ({_free(each)})" for each in found.cuda]
        yield ok("gpu", f"{', '.join(named)}: --device cuda")
    elif found.mps is not None:
        yield ok("gpu", "Apple's: --device mps")
    elif Path("/dev/nvidiactl").exists():
        yield warn(
            "gpu",
            f"there is an NVIDIA device, but torch (built for CUDA {found.built}) does not see it",
            "see that nvidia-smi works, and install a torch that is built for the driver's CUDA",
        )
    else:
        yield ok("gpu", "none; jobs run on the CPU")


def _free(device: TorchDevice) -> str:
    return f"{(device.free or 0) / 1e9:.0f} of {device.total / 1e9:.0f} GB free"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _out_of_bounds(lines: list[str]) -> list[str]:
    """What is installed of these requirements in another version, and what must be and is not."""
    bad: list[str] = []
    for need in _requirements(lines):
        found = _installed(need.name)
        if found is None and need.marker is None:
            bad.append(f"{need.name} is missing")
        elif found is not None and not need.specifier.contains(found, prereleases=True):
            bad.append(f"{need.name} {found} (needed: {need.specifier})")
    return bad


def _requirements(lines: list[str]) -> list[Requirement]:
    """Those that are meant for this interpreter; those of an extra, too."""
    found: list[Requirement] = []
    for line in lines:
        try:
            need = Requirement(line.partition("#")[0].strip())
        except InvalidRequirement:
            continue  # a comment, an empty line
        extras = ("", "local", "worker")
        if need.marker is None or any(need.marker.evaluate({"extra": each}) for each in extras):
            found.append(need)
    return found


def _some(named: list[str]) -> str:
    more = len(named) - MOST_NAMED
    return ", ".join(named[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _reinstall() -> str:
    return f'pip install --force-reinstall "{OWN}[local]", or name a Neo4j with CIRCUITS_GRAPH'
