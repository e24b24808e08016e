"""With model roots a service reads nothing outside of them, by whatever way."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError
from workers.job.model_roots import check_root
from workers.settings import Settings


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Settings, Path, Path]:
    """Settings, a model in a root, and a folder that nobody may name."""
    root, outside = tmp_path / "models", tmp_path / "outside"
    (root / "tiny" / "deep").mkdir(parents=True)
    (root / "blobs").mkdir()
    outside.mkdir()
    for folder in (root / "tiny", root / "tiny" / "deep", root / "blobs", outside):
        (folder / "file").write_text("x")
    return Settings(home=tmp_path / "home", model_roots=(root,)), root / "tiny", outside


def test_what_is_inside_passes_links_within_the_roots_too(
    roots: tuple[Settings, Path, Path],
) -> None:
    settings, model, outside = roots
    (model / "weights").symlink_to("../blobs/file")
    (model / "again").symlink_to(model)
    (outside / "in").symlink_to(model)
    for name in (str(model), f"{model}/../tiny", str(outside / "in"), "org/name"):
        check_root(ModelSource(name=name), settings)


@pytest.mark.parametrize("place", ["weights", "deep/weights", "deep/more"])
@pytest.mark.parametrize("to", ["file", ".", "nowhere"])
def test_a_link_that_leads_outside_is_refused(
    roots: tuple[Settings, Path, Path], place: str, to: str
) -> None:
    settings, model, outside = roots
    (model / place).symlink_to(outside / to)
    with pytest.raises(ModelError, match=f"'{place}' is a link that leads outside"):
        check_root(ModelSource(name=str(model)), settings)


def test_a_way_outside_by_a_folder_that_is_a_link_is_refused(
    roots: tuple[Settings, Path, Path],
) -> None:
    settings, model, outside = roots
    (model.parent / "blobs" / "out").symlink_to(outside)
    (model / "blobs").symlink_to("../blobs")
    with pytest.raises(ModelError, match="'blobs/out' is a link"):
        check_root(ModelSource(name=str(model)), settings)


@pytest.mark.parametrize("name", ["{outside}", "{model}/../../outside", "{outside}/x.gguf", "/"])
def test_a_path_outside_is_refused(roots: tuple[Settings, Path, Path], name: str) -> None:
    settings, model, outside = roots
    named = name.format(model=model, outside=outside)
    with pytest.raises(ModelError, match="lies outside the folders"):
        check_root(ModelSource(name=named), settings)


def test_a_link_in_the_root_to_a_model_elsewhere_is_refused(
    roots: tuple[Settings, Path, Path],
) -> None:
    settings, model, outside = roots
    (model.parent / "other").symlink_to(outside)
    with pytest.raises(ModelError, match="lies outside the folders"):
        check_root(ModelSource(name=str(model.parent / "other")), settings)
