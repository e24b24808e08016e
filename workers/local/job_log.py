"""What the logs of a home's workers say of one job."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from workers.log_lines import is_about, is_continued

WORKER_LOGS = "worker*.log"
ASIDE = ".1"
"""Behind the name of a log whose content was put aside when it had grown."""


@dataclass
class _Place:
    """How far a file has been read: which file that was, to where, and whether in the job's."""

    inode: int = 0
    offset: int = 0
    ours: bool = False


class JobLog:
    """The lines about one job in the logs of a folder; each is told once.

    Lines that a log grew by and that were put aside between two looks are not seen.
    """

    def __init__(self, folder: Path, job_id: str) -> None:
        self._folder = folder
        self._job_id = job_id
        self._places: dict[Path, _Place] = {}

    def new_lines(self) -> list[str]:
        """What was written since the last look; at first, all there is."""
        logs = sorted(self._folder.glob(WORKER_LOGS))
        if not self._places:
            aside = [log.with_name(log.name + ASIDE) for log in logs]
            logs = [each for pair in zip(aside, logs, strict=True) for each in pair]
        return [line for log in logs for line in self._read(log)]

    def _read(self, log: Path) -> list[str]:
        place = self._places.setdefault(log, _Place())
        try:
            file = log.open("rb")
        except FileNotFoundError:
            return []
        with file:
            now = os.fstat(file.fileno())
            if now.st_ino != place.inode or now.st_size < place.offset:
                place.inode, place.offset = now.st_ino, 0  # another file, or emptied
            file.seek(place.offset)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]  # a line that is still being written comes next time
        place.offset += len(data)
        found: list[str] = []
        for line in data.decode(errors="replace").split("\n")[:-1]:
            if not is_continued(line):
                place.ours = is_about(line, self._job_id)
            if place.ours:
                found.append(line)
        return found
