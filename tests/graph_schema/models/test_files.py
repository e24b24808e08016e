"""Which files make a model: what transformers reads is hashed, and what it does not is not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError, ModelUnavailable
from graph_schema.models.files import INDEX_FILE, model_files
from graph_schema.models.fingerprint import fingerprint

TOKENIZER = (
    *("added_tokens.json", "merges.txt", "sentencepiece.bpe.model", "special_tokens_map.json"),
    *("spiece.model", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"),
    *("vocab.json", "vocab.txt"),
)
IDLE = ("README.md", "generation_config.json", "chat_template.jinja", "training_args.bin")


def _made(folder: Path, *names: str, shards: tuple[str, ...] = ()) -> Path:
    """A folder of files with little in them; a fingerprint does not read what they say."""
    folder.mkdir()
    for name in (*names, *IDLE):
        (folder / name).write_text("{}" if name.endswith(".json") else name)
    for number, name in enumerate(shards, 1):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"shard {number}")
    if shards:
        named = {f"w{number}": name for number, name in enumerate(shards, 1)}
        (folder / INDEX_FILE).write_text(json.dumps({"metadata": {}, "weight_map": named}))
    return folder


def _mark(folder: Path) -> str:
    return fingerprint(ModelSource(name=str(folder)))


def _said(folder: Path, **config: object) -> None:
    (folder / "config.json").write_text(json.dumps(config))


def test_fingerprints_of_ordinary_folders_are_what_they_were(tmp_path: Path) -> None:
    """They are in the ids of jobs: computed before shards of any name were hashed."""
    whole = _made(tmp_path / "whole", "config.json", "model.safetensors")
    assert _mark(whole) == "c88994cfa936b56b54f3e58dc51b11ac46a0742718c6874329a52f16b86a4b9b"
    spoken = _made(tmp_path / "spoken", "config.json", "model.safetensors", *TOKENIZER)
    assert _mark(spoken) == "063351edc8131811d35597ff58a2fd8f3d7101ba2f34d7faa3b390327eeeb06d"
    usual = tuple(f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3))
    parted = _made(tmp_path / "parted", "config.json", "tokenizer.json", shards=usual)
    assert _mark(parted) == "a8dd1ac3beb5a335249bba94caf4e53837ac5380ddc96971ec730146d00b5c9f"


def test_shards_of_any_name_are_the_model(tmp_path: Path) -> None:
    shards = ("model-00001-of-00002.safetensors", "lm_head.safetensors", "parts/a b.safetensors")
    one = _made(tmp_path / "one", "config.json", shards=shards)
    assert set(model_files(one)) == {"config.json", INDEX_FILE, *shards}
    for name in shards:
        other = shutil.copytree(one, tmp_path / name.replace("/", "-"))
        (other / name).write_text("negated")
        assert _mark(other) != _mark(one), name


def test_what_the_index_does_not_name_is_no_part_of_the_model(tmp_path: Path) -> None:
    one = _made(tmp_path / "one", "config.json", shards=("a.safetensors",))
    before = _mark(one)
    (one / "model-00001-of-00002.safetensors").write_text("left from an older save")
    (one / "consolidated.safetensors").write_text("the same in another format")
    assert _mark(one) == before


def test_without_a_word_of_the_configuration_the_single_file_goes_first(tmp_path: Path) -> None:
    """As in transformers, which then looks at no index."""
    one = _made(tmp_path / "one", "config.json", "model.safetensors", shards=("a.safetensors",))
    assert set(model_files(one)) == {"config.json", "model.safetensors"}


def test_weights_that_the_configuration_names_are_the_model(tmp_path: Path) -> None:
    one = _made(tmp_path / "one", "model.safetensors", "own.safetensors", shards=("a.safetensors",))
    _said(one, transformers_weights="own.safetensors")
    assert set(model_files(one)) == {"config.json", "own.safetensors"}
    (one / INDEX_FILE).rename(one / "own.safetensors.index.json")
    _said(one, transformers_weights="own.safetensors.index.json")
    assert set(model_files(one)) == {"config.json", "own.safetensors.index.json", "a.safetensors"}


def test_files_for_some_versions_of_transformers_are_the_model(tmp_path: Path) -> None:
    one = _made(tmp_path / "one", "model.safetensors", "config.4.0.0.json", "tokenizer.4.0.json")
    _said(one)
    assert set(model_files(one)) == {"config.json", "model.safetensors"}
    _said(one, configuration_files=["config.4.0.0.json", "config.9.json"])
    listed = {"fast_tokenizer_files": ["tokenizer.4.0.json"]}
    (one / "tokenizer_config.json").write_text(json.dumps(listed))
    expected = {"config.4.0.0.json", "tokenizer.4.0.json", "tokenizer_config.json"}
    assert set(model_files(one)) == {"config.json", "model.safetensors", *expected}


@pytest.mark.parametrize(
    "name", ["tekken.json", "spm.model", "qwen.tiktoken", "tokenizer.model.v3"]
)
def test_a_tokenizer_under_another_name_is_the_model(tmp_path: Path, name: str) -> None:
    one = _made(tmp_path / "one", "config.json", "model.safetensors")
    before = _mark(one)
    (one / name).write_text("words")
    assert _mark(one) != before


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/passwd", "a/../../b", "", 7, "a\\b"]
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: object) -> None:
    (tmp_path / "secret.safetensors").write_text("another's")
    one = _made(tmp_path / "one", "config.json")
    (one / INDEX_FILE).write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(ModelError, match=r"index\.json names .*inside the folder"):
        _mark(one)
    (one / INDEX_FILE).unlink()
    _said(one, transformers_weights=name)
    with pytest.raises(ModelError, match=r"config\.json names .*inside the folder"):
        _mark(one)


def test_shards_that_are_missing_or_pickled_are_named(tmp_path: Path) -> None:
    one = _made(tmp_path / "one", "config.json", shards=("a.safetensors", "b.safetensors"))
    (one / "b.safetensors").unlink()
    with pytest.raises(
        ModelError, match=r"lacks 'b\.safetensors', which model\.safetensors\.index"
    ):
        _mark(one)
    (one / "b.safetensors").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"lacks 'b\.safetensors'"):
        _mark(one)
    (one / INDEX_FILE).write_text(json.dumps({"weight_map": {"w": "training_args.bin"}}))
    with pytest.raises(ModelError, match=r"'training_args\.bin', which is no \.safetensors file"):
        _mark(one)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": [1]}', "{"])
def test_an_index_that_names_nothing_is_refused(tmp_path: Path, text: str) -> None:
    one = _made(tmp_path / "one", "config.json")
    (one / INDEX_FILE).write_text(text)
    with pytest.raises(ModelError, match="has no weight_map"):
        _mark(one)


def test_shards_without_an_index_are_no_weights(tmp_path: Path) -> None:
    one = _made(tmp_path / "one", "config.json", "model-00001-of-00001.safetensors")
    with pytest.raises(ModelError, match=r"no model\.safetensors\.index\.json says"):
        _mark(one)


def test_links_are_followed_to_what_they_lead_to(tmp_path: Path) -> None:
    """The hub's cache is made of them."""
    one = _made(tmp_path / "one", "config.json", shards=("a.safetensors",))
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("config.json", INDEX_FILE, "a.safetensors"):
        (linked / name).symlink_to(one / name)
    assert _mark(linked) == _mark(one)
    os.replace(one / "README.md", one / "a.safetensors")
    assert _mark(linked) == _mark(one)


def test_a_folder_that_is_away_is_told_from_one_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no such file or folder"):
        model_files(tmp_path / "gone")
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="is not a folder") as raised:
        model_files(tmp_path / "file")
    assert not isinstance(raised.value, ModelUnavailable)


@pytest.mark.parametrize("name", ["a" * 300 + ".safetensors", "b/" * 600 + "c.safetensors"])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    """Whoever only asks whether it is there gets an error of the system's."""
    _made(tmp_path / "model", "config.json", shards=("one.safetensors",))
    (tmp_path / "model" / INDEX_FILE).write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(ModelError, match="expected the name of a file inside the folder"):
        model_files(tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_configuration_without_end_is_not_read(name: str, tmp_path: Path) -> None:
    """A sparse file costs who makes it nothing."""
    folder = _made(tmp_path / "model", "config.json", "tokenizer_config.json", "model.safetensors")
    os.truncate(folder / name, 2**40)
    with pytest.raises(ModelError, match=f"{name}' has more than 67,108,864 bytes"):
        _mark(folder)


def test_a_pipe_in_the_place_of_a_configuration_is_not_waited_for(tmp_path: Path) -> None:
    folder = _made(tmp_path / "model", "config.json", "model.safetensors")
    os.mkfifo(folder / "tokenizer_config.json")
    assert "tokenizer_config.json" not in model_files(folder)
