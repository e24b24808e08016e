"""`zoo:llama/1` as a model: where the zoo keeps the one that was trained.

Found by the records in the cache, for who asks need not have what trains them installed. Of several
trainings of one model (other recipes, other numbers of checkpoints) it is the latest.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from graph_schema.errors import ModelError, ModelUnavailable
from graph_schema.printable import quoted

PREFIX = "zoo:"
RECORD = "training.json"
_FOLDER = re.compile(r"(?P<family>[a-z][a-z0-9-]*)-(?P<number>\d{1,9})-", re.ASCII)
_NAME = re.compile(r"(?P<family>[a-z][a-z0-9-]*)/(?P<number>\d{1,9})", re.ASCII)


def place_of(model: str, cache_dir: Path) -> str:
    """The folder of `zoo:FAMILY/NUMBER`; any other model as it is given.

    Raises:
        ModelError: The name is not of this form.
        ModelUnavailable: The model is not trained here.
    """
    if not model.startswith(PREFIX):
        return model
    name = model.removeprefix(PREFIX)
    if (match := _NAME.fullmatch(name)) is None:
        raise ModelError(
            f"model {quoted(model)} is no name of the zoo; expected {PREFIX}FAMILY/NUMBER, such as "
            f"{PREFIX}llama/1 (circuits zoo list)"
        )
    family, number = match["family"], int(match["number"])
    records = (cache_dir / "zoo").glob(f"{family}-{number}-*/{RECORD}")
    trained = [file for file in records if _is_of(file, family, number)]
    if not trained:
        raise ModelUnavailable(
            f"model {quoted(model)} is not trained here; run: circuits zoo train {family}/{number}"
        )
    return str(max(trained, key=lambda file: (file.stat().st_mtime_ns, str(file))).parent)


def trained_names(cache_dir: Path) -> list[str]:
    """`FAMILY/NUMBER` of each model of the zoo that is trained here, in order."""
    folders = (file.parent.name for file in (cache_dir / "zoo").glob(f"*/{RECORD}"))
    found = (
        re.match(r"(?P<family>[a-z][a-z0-9-]*)-(?P<number>\d{1,9})-", name) for name in folders
    )
    return sorted({f"{match['family']}/{match['number']}" for match in found if match})


def _is_of(file: Path, family: str, number: int) -> bool:
    try:
        said: Any = json.loads(file.read_text(encoding="utf-8"))
        return said["family"] == family and said["seed"] == number
    except (OSError, ValueError, KeyError, TypeError):
        return False
