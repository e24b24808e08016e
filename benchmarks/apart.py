"""Measuring in a process of its own: nothing is warm, and the most memory is that of one row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def last_line(*command: str | Path) -> dict[str, Any]:
    """The JSON object that a command prints last.

    Raises:
        SystemExit: It fails; with the end of what it had to say.
    """
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr.strip()[-4000:])
    return json.loads(ran.stdout.strip().splitlines()[-1])


def measured(module: str, *options: object) -> dict[str, Any]:
    """What `python -m MODULE OPTIONS` prints last, here on stderr as well.

    Raises:
        SystemExit: It fails.
    """
    found = last_line(sys.executable, "-m", module, *map(str, options))
    print(json.dumps(found), file=sys.stderr)
    return found


def measured_or_none(module: str, *options: object) -> dict[str, Any] | None:
    """The same; None, and why, where it fails: a case may need more memory than there is."""
    try:
        return measured(module, *options)
    except SystemExit as error:
        why = str(error).splitlines() or ["it was ended, as where there is too little memory"]
        print(f"{' '.join(map(str, options))}: not run: {why[-1]}")
        return None
