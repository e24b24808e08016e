"""Where a worker of a rig runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from graph_schema.processes import die_with_parent
from tests.faults.proxy import Proxy
from workers.settings import Settings


@dataclass
class WorkerPlace:
    """A place for a worker that is started again whenever it has died."""

    settings: Settings
    log: Path
    proxy: Proxy
    process: subprocess.Popen[bytes] | None = None

    def tend(self) -> None:
        """Start it where it does not run."""
        if self.process is not None and self.process.poll() is None:
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker"],
                env=self.settings.environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def stop(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
