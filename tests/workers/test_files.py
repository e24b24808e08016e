"""Files are written whole, where the user said, and nothing but a file is ever replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graph_schema.errors import SpecError
from workers.files import check_free, write_whole


def test_a_pipe_or_a_folder_is_never_replaced(tmp_path: Path) -> None:
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "link"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to(pipe)
    for place in (pipe, folder, link):
        for force in (False, True):
            with pytest.raises(SpecError, match=f"{place.name}' is no regular file"):
                write_whole(place, b"new", force=force)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    file, link = tmp_path / "to" / "file", tmp_path / "link"
    file.parent.mkdir()
    file.write_bytes(b"old")
    link.symlink_to(file)
    with pytest.raises(SpecError, match="--force replaces it"):
        write_whole(link, b"new", force=False)
    write_whole(link, b"new", force=True)
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert list(file.parent.iterdir()) == [file]


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(SpecError, match="one"):
        check_free(one, force=True)
