"""The hash of a model's weights is kept by its fingerprint, and worked out again where in doubt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graph_schema.models.kept import keep_weights, kept_weights

OWN, OTHER, WEIGHTS = "a" * 40, "b" * 64, "1" * 64


def test_it_is_bound_to_the_fingerprint(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert kept_weights(cache, OWN) is None
    keep_weights(cache, OWN, WEIGHTS)
    assert kept_weights(cache, OWN) == WEIGHTS
    assert kept_weights(cache, OTHER) is None
    (entry,) = cache.iterdir()
    entry.rename(entry.with_name(entry.name.replace(OWN, OTHER)))
    assert kept_weights(cache, OTHER) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: b"",
        lambda whole: whole[:-9],
        lambda whole: b"\xff\xfe",
        lambda whole: b"[1, 2]",
        lambda whole: b"{}",
        lambda whole: whole.replace(b"1" * 64, b"1" * 63 + b"2"),
        lambda whole: whole.replace(b'"' + b"1" * 64 + b'"', b"null"),
    ],
)
def test_an_entry_that_is_not_as_it_was_written_is_none(
    spoil: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    keep_weights(tmp_path, OWN, WEIGHTS)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(spoil(entry.read_bytes()))
    assert kept_weights(tmp_path, OWN) is None
    keep_weights(tmp_path, OWN, WEIGHTS)
    assert kept_weights(tmp_path, OWN) == WEIGHTS


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (None, tmp_path / "file" / "cache"):
        keep_weights(place, OWN, WEIGHTS)
        assert kept_weights(place, OWN) is None
