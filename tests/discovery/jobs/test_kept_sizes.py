"""Sizes that are kept are those that are counted, for their configuration and no other."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from discovery.jobs import kept_sizes
from discovery.jobs.kept_sizes import PlannedSizes, planned_sizes
from discovery.jobs.sizes import read_config, sizes_of
from discovery.models.families import adapter_class
from discovery.models.inspecting import context_length
from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError
from tests.discovery.models.families import FAMILIES


@pytest.fixture
def model(tmp_path: Path) -> ModelSource:
    return saved("llama", tmp_path / "model")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def saved(family: str, folder: Path, **other: object) -> ModelSource:
    """A folder with the family's configuration alone."""
    made = FAMILIES[family]
    made.config(**{**made.sizes, **other}).save_pretrained(folder)
    return ModelSource(name=str(folder))


def counted(source: ModelSource) -> PlannedSizes:
    config = read_config(source)
    return PlannedSizes(sizes_of(config), context_length(config))


def only(cache: Path) -> Path:
    (file,) = (cache / "sizes").iterdir()
    return file


def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on whoever counts fails."""

    def refuse(source: ModelSource) -> PlannedSizes:
        raise AssertionError(f"{source.name} is counted")

    monkeypatch.setattr(kept_sizes, "_counted", refuse)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_is_what_is_counted(
    family: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(family, tmp_path / "model")
    exact = counted(source)
    assert planned_sizes(source, cache) == exact
    uncounted(monkeypatch)
    assert planned_sizes(source, cache) == exact
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    assert planned_sizes(ModelSource(name=str(tmp_path / "elsewhere")), cache) == exact


def test_another_configuration_in_its_place_is_counted(model: ModelSource, cache: Path) -> None:
    before = planned_sizes(model, cache)
    saved("llama", Path(model.name), num_hidden_layers=3)
    after = planned_sizes(model, cache)
    assert (before.sizes.n_layers, after.sizes.n_layers) == (2, 3)
    assert after == counted(model)


def test_another_version_of_what_reads_it_counts_again(
    model: ModelSource, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned_sizes(model, cache)

    def another(name: str) -> str:
        return f"{name} of another day"

    monkeypatch.setattr(kept_sizes, "version", another)
    uncounted(monkeypatch)
    with pytest.raises(AssertionError, match="is counted"):
        planned_sizes(model, cache)


def test_a_change_of_the_code_that_counts_counts_again(
    model: ModelSource, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a checkout, where the version stays."""
    source = tmp_path / "code" / "models" / "adapter.py"
    source.parent.mkdir(parents=True)
    source.write_text("n_weights = 1")
    monkeypatch.setattr(kept_sizes, "SOURCES", (source.parent.parent,))
    planned_sizes(model, cache)
    with monkeypatch.context() as still:
        uncounted(still)
        planned_sizes(model, cache)
    source.write_text("n_weights = 2")
    uncounted(monkeypatch)
    with pytest.raises(AssertionError, match="is counted"):
        planned_sizes(model, cache)


def test_the_code_that_counts_is_in_the_name() -> None:
    used: set[str] = {each.__module__ for each in (read_config, sizes_of, context_length)}
    for made in FAMILIES.values():
        used |= {each.__module__ for each in adapter_class(made.config(**made.sizes)).mro()}
    ours = [name for name in used if name.split(".")[0] in ("discovery", "graph_schema")]
    assert "discovery.models.phi3" in ours
    for name in ours:
        file = Path(sys.modules[name].__file__ or "")
        assert any(file.is_relative_to(source) for source in kept_sizes.SOURCES), file


def changed(**values: object) -> Callable[[str], bytes]:
    def write(text: str) -> bytes:
        said = json.loads(text)
        return json.dumps({**said, "sizes": {**said["sizes"], **values}}).encode()

    return write


WRITTEN: dict[str, Callable[[str], bytes]] = {
    "empty": lambda _: b"",
    "torn": lambda text: text[:40].encode(),
    "no text": lambda _: b"\xff\xfe{",
    "nested": lambda _: b"[" * 100_000,
    "large": lambda text: (text + " " * kept_sizes.LARGEST).encode(),
    "negative": changed(n_weights=-1),
    "a fraction": changed(n_weights=1.5),
    "text": changed(n_layers="2"),
    "a truth": changed(d_model=True),
    "no layers": changed(n_layers=0),
    "too many": changed(n_weights=10**30),
    "no prompt": lambda text: re.sub(r'"n_ctx":\d+', '"n_ctx":-4', text).encode(),
    "another schema": lambda text: text.replace(":1,", ":2,", 1).encode(),
    "another field": lambda text: text.replace("n_weights", "weights", 1).encode(),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_file_that_nobody_could_have_written_is_left_aside(
    model: ModelSource, cache: Path, how: str
) -> None:
    exact = planned_sizes(model, cache)
    file = only(cache)
    whole = file.read_text()
    written = WRITTEN[how](whole)
    assert written != whole.encode()
    file.write_bytes(written)
    assert planned_sizes(model, cache) == exact
    assert file.read_text() == whole


def test_a_cache_that_cannot_be_written_is_done_without(model: ModelSource, cache: Path) -> None:
    cache.write_text("a file")
    assert planned_sizes(model, cache) == counted(model)


def test_adapter_weights_that_came_later_are_refused(model: ModelSource, cache: Path) -> None:
    planned_sizes(model, cache)
    (Path(model.name) / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="has an adapter"):
        planned_sizes(model, cache)
