"""Files that are no backup, or are made to do harm: refused before a graph is even looked for."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from graph_schema.errors import SpecError
from tests.workers.client.backed_up import FAMILY, packed
from workers.client import backup, backup_lines
from workers.settings import Settings

DEEP = "[" * 20_000


def restored(file: Path, home: Path) -> None:
    backup.restore(Settings(home=home), file, force=True)


def of_lines(file: Path, text: str) -> Path:
    """A backup whose nodes are these lines, with a manifest that says so."""
    data = text.encode()
    files = {backup.NODES: data, backup.LINKS: b""}
    hashes = {name: hashlib.sha256(each).hexdigest() for name, each in files.items()}
    return packed(file, [], [], files={backup.NODES: data}, told={"nodes": 1, "files": hashes})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"ab"', "has a line that is none"),
        ("3", "has a line that is none"),
        (DEEP, "has a line that is none"),
        ('["Model", "x"]', "does not end in properties"),
        ('[["Model"], {}]', "a name that is no text"),
        ('["Model", "x", {}]', "has a line that is none"),
        (f'["ModelFamily", {{"name": "a", "n": {2**63}}}]', "property 'n' that is no value"),
        (r'["ModelFamily", {"name": "a", "n": "\ud800"}]', "property 'n' that is no value"),
        ('["ModelFamily", {"name": "a", "n": [[1]]}]', "property 'n' that is no value"),
        ('["ModelFamily", {"name": "a", "@rid": "#1:0"}]', "property '@rid' that is no value"),
        ('["ModelFamily", {"name": 3}]', "a ModelFamily without its name"),
        ("[" + " " * 3_000, "has a line of more than 2,000 bytes"),
    ],
)
def test_a_line_that_is_no_part_of_a_graph_is_refused(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "more than" in said:
        monkeypatch.setattr(backup_lines, "LONGEST", 2_000)
    with pytest.raises(SpecError, match=said):
        restored(of_lines(tmp_path / "bad.zip", f"{line}\n"), tmp_path / "home")


def test_an_artifact_that_was_packed_is_not_unpacked(tmp_path: Path) -> None:
    file, data = packed(tmp_path / "all.zip", [FAMILY], []), bytes(2**20)
    with zipfile.ZipFile(file) as given:
        manifest: dict[str, Any] = json.loads(given.read(backup.MANIFEST))
        parts = {name: given.read(name) for name in (backup.NODES, backup.LINKS)}
    manifest["files"]["artifacts/a"] = hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, part in {**parts, "artifacts/a": data}.items():
            made.writestr(name, part)
        made.writestr(backup.MANIFEST, json.dumps(manifest))
    with pytest.raises(SpecError, match=r"'artifacts/a' has 1,048,576 bytes packed into 1,0\d\d"):
        restored(file, tmp_path / "home")


@pytest.mark.parametrize("place", [6, 8])
def test_what_is_encrypted_or_packed_otherwise_is_refused(place: int, tmp_path: Path) -> None:
    """By the flags, or the method, of each entry's header and of the directory at the end."""
    file = packed(tmp_path / "all.zip", [FAMILY], [])
    data = bytearray(file.read_bytes())
    for mark, at in ((b"PK\x03\x04", place), (b"PK\x01\x02", place + 2)):
        found = data.find(mark)
        while found >= 0:
            data[found + at] |= 1
            found = data.find(mark, found + 1)
    file.write_bytes(data)
    with pytest.raises(SpecError, match="is no backup, or was damaged"):
        restored(file, tmp_path / "home")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError, match="is no regular file"):
        restored(tmp_path / "pipe", tmp_path / "home")
