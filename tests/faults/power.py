"""A power cut, made of a library that is preloaded (`power_cut.c`) and `kill -9`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("power_cut.c")


@dataclass(frozen=True)
class Disk:
    """What of the folder `live` was flushed lies in `kept`, for processes of this environment."""

    library: Path
    live: Path
    kept: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "POWER_CUT_LIVE": str(self.live),
            "POWER_CUT_DISK": str(self.kept),
        }

    def holds(self, text: str) -> bool:
        """Whether any file that was flushed has these letters in it."""
        files = (path for path in self.kept.rglob("*") if path.is_file())
        return any(text.encode() in path.read_bytes() for path in files)


def make_disk(folder: Path, live: Path) -> Disk:
    """An empty disk for what is flushed under `live`; skips where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on the PATH")
    library = folder / "power_cut.so"
    command = [compiler, "-shared", "-fPIC", "-O1", str(SOURCE), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return Disk(library, live, folder / "kept")
