"""Many jobs under random faults, and a table of what became of them.

    python -m tests.faults --jobs 500 --seed 7 [--combination neo4j-redis] [--write]

Needs redis-server and Java; a disk gets full only where this user may mount one. A run's result is
added to `--results`; `--write` puts all that lie there into docs/reliability.md. A run that finds
anything lost, completed twice or torn keeps its folder, and ends with status 1.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.kinds import OUTAGE_SECONDS, kinds
from tests.faults.report import PAGE, add, read, section
from tests.faults.rig import COMBINATIONS, Rig
from tests.faults.running import run
from tests.workers.tiny import make_tiny


def main() -> int:
    """Run, print, and with --write put the table into the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--combination", choices=COMBINATIONS, help="default: all, one by one")
    parser.add_argument("--jobs", type=int, default=500, help="jobs a combination")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gap", type=int, default=10, help="jobs between two faults")
    parser.add_argument("--outage", type=float, default=OUTAGE_SECONDS, help="seconds")
    parser.add_argument("--results", type=Path, default=Path("fault-runs.jsonl"))
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("tests").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # all that runs is ended
    clean = True
    for combination in (given.combination,) if given.combination else COMBINATIONS:
        folder = Path(tempfile.mkdtemp(prefix=f"faults-{combination}-"))
        tiny = make_tiny(folder / "tiny")
        with Rig(combination, folder / "rig", tiny) as rig:
            outcome = run(rig, kinds(given.outage), jobs=given.jobs, seed=given.seed, gap=given.gap)
        add(given.results, outcome)
        if outcome.clean:
            shutil.rmtree(folder)
        else:
            clean = False
            sys.stdout.write(f"NOT CLEAN, see {folder}: {outcome}\n{outcome.why}\n")
    text = section(read(given.results))
    sys.stdout.write(f"{text}\n")
    if given.write:
        from benchmarks.page import put

        put("faults", text, PAGE)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
