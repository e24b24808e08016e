"""A sweep in a file: YAML whose keys are those of `CircuitClient.sweep`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from graph_schema.errors import SpecError
from graph_schema.printable import printable
from graph_schema.private_files import expanded
from graph_schema.yaml_text import read_yaml
from workers.requests.sweep import LONGEST_NAME, AskedSweep, asked_sweep

MAX_BYTES = 256 * 1024


def read_sweep(file: Path, instead: Mapping[str, object] | None = None) -> AskedSweep:
    """The sweep of a file; relative paths in it are of the file's folder.

    Without a `name` it is called as the file is. `instead` are keys that stand in the place of the
    file's.

    Raises:
        SpecError: The file cannot be read, is no YAML, or does not say a sweep; with the line.
    """
    file = expanded(str(file))
    try:
        with file.open("rb") as source:
            data = source.read(MAX_BYTES + 1)
        text = data.decode()
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{file.name} is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    except (OSError, ValueError) as error:  # a ValueError of a null character in its name
        reason = error.strerror if isinstance(error, OSError) else error
        raise SpecError(
            f"cannot read the sweep {str(file)!r}: {reason}; give the path of a YAML file"
        ) from error
    given, lines = read_yaml(text, file.name, MAX_BYTES)
    if not isinstance(given, dict):
        raise SpecError(
            f"{file.name} holds no keys; expected models, tasks and edges (docs/sweeps.md)"
        )
    called = printable(file.stem)[:LONGEST_NAME]  # a file's name may be longer, and no text
    named: dict[Any, Any] = {"name": called, **cast("dict[Any, Any]", given), **(instead or {})}
    return asked_sweep(named, base=file.absolute().parent, file=file.name, lines=lines)
