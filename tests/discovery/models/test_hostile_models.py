"""A model that somebody made to do harm: no code of it runs, and files that lie are refused."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.models import inspect_model, load_model
from discovery.models.gguf_header import read_header
from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError
from tests.workers.tiny import make_tiny

EVIL = "raise SystemExit('ran')"
VOCAB = "[UNK]\na\nb\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_tiny(tmp_path / "model", n_layers=1)
    (tmp_path / "model" / "evil.py").write_text(EVIL)
    (tmp_path / "model" / "vocab.txt").write_text(VOCAB)
    _tokenizer(tmp_path / "model")
    return tmp_path / "model"


def _source(path: Path) -> ModelSource:
    return ModelSource(name=str(path))


def _config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _tokenizer(folder: Path, **said: Any) -> None:
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "unk_token": "[UNK]", **said})
    )


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("place", ["somebody/kernel", "somebody/kernel:run", "paged|somebody/x"])
def test_attention_code_of_others_is_not_fetched(folder: Path, key: str, place: str) -> None:
    _config(folder, **{key: place})
    for look in (inspect_model, lambda source: load_model(source, fingerprint=None)):
        with pytest.raises(ModelError, match="only code of this installation is run"):
            look(_source(folder))


@pytest.mark.parametrize("kind", ["eager", "flash_attention_2", "flash_attention_3"])
def test_a_model_attends_by_the_code_of_its_adapter(folder: Path, kind: str) -> None:
    """`flash_attention_2` without its package is fetched from the hub where `kernels` is there."""
    _config(folder, attn_implementation=kind)
    loaded = load_model(_source(folder), fingerprint=None)
    assert loaded.adapter.model.config._attn_implementation == "sdpa"  # pyright: ignore


def test_code_that_a_known_family_names_does_not_run(folder: Path) -> None:
    places = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM", "AutoModel"), "evil.Evil")
    _config(folder, auto_map=places)
    _tokenizer(folder, auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    assert load_model(_source(folder), fingerprint=None).tokenizer is not None


def test_a_tokenizer_that_is_code_is_refused(folder: Path) -> None:
    said = {"AutoTokenizer": ["evil.Evil", None]}
    _tokenizer(folder, tokenizer_class="EvilTokenizer", auto_map=said)
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        inspect_model(_source(folder))


def test_a_chat_template_is_not_run(folder: Path, tmp_path: Path) -> None:
    template = f"{{{{ cycler.__init__.__globals__.os.mkdir('{tmp_path / 'ran'}') }}}}"
    _tokenizer(folder, chat_template=template)
    (folder / "chat_template.jinja").write_text(template)
    assert inspect_model(_source(folder)).tokenizer is not None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["vocab_file", "tokenizer_file", "name_or_path"])
def test_a_tokenizer_reads_no_file_elsewhere(folder: Path, tmp_path: Path, key: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("[UNK]\nhunter2\n")
    _tokenizer(folder, **{key: str(secret)})
    tokenizer = inspect_model(_source(folder)).tokenizer
    assert tokenizer is not None
    assert "hunter2" not in tokenizer.get_vocab()


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _key(name: str, kind: int, value: bytes) -> bytes:
    return _text(name) + struct.pack("<I", kind) + value


def _list(inner: int, length: int, values: bytes = b"") -> bytes:
    return struct.pack("<IQ", inner, length) + values


def _tensor(
    name: str, *sizes: int, kind: int = 0, offset: int = 0, axes: int | None = None
) -> bytes:
    shape = struct.pack(f"<I{len(sizes)}Q", len(sizes) if axes is None else axes, *sizes)
    return _text(name) + shape + struct.pack("<IQ", kind, offset)


def _file(
    keys: list[bytes], tensors: list[bytes], *, n_keys: int = -1, n_tensors: int = -1
) -> bytes:
    counts = (
        n_tensors if n_tensors >= 0 else len(tensors),
        n_keys if n_keys >= 0 else len(keys),
    )
    return b"GGUF" + struct.pack("<IQQ", 3, *counts) + b"".join((*keys, *tensors))


LLAMA = _key("general.architecture", 8, _text("llama"))
LIES: dict[str, Callable[[], bytes]] = {
    "numbers that are not there": lambda: _file([LLAMA, _key("x", 9, _list(0, 2**40))], []),
    "more bytes than a number holds": lambda: _file([LLAMA, _key("x", 9, _list(6, 2**63))], []),
    "text that is not there": lambda: _file([LLAMA, _key("x", 9, _list(8, 2**40))], []),
    "lists in lists": lambda: _file([_key("x", 9, _list(9, 1) * 5000)], []),
    "a list of no kind": lambda: _file([LLAMA, _key("x", 9, _list(99, 3))], []),
    "keys that are not there": lambda: _file([LLAMA], [], n_keys=2**62),
    "tensors that are not there": lambda: _file([LLAMA], [], n_tensors=2**62),
    "a name that is not there": lambda: b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63),
    "an alignment of 0": lambda: _file(
        [LLAMA, _key("general.alignment", 4, struct.pack("<I", 0))], [_tensor("a", 1)]
    ),
    "an alignment that is a list": lambda: _file(
        [LLAMA, _key("general.alignment", 9, _list(0, 1, b"\1"))], [_tensor("a", 1)]
    ),
    "a tensor larger than any file": lambda: _file([LLAMA], [_tensor("a", 2**40, 2**30)]),
    "a packed tensor larger than any": lambda: _file([LLAMA], [_tensor("a", 2**60, kind=12)]),
    "a tensor past the end": lambda: _file([LLAMA], [_tensor("a", 2**20)]),
    "a tensor that begins past the end": lambda: _file([LLAMA], [_tensor("a", 0, offset=2**62)]),
    "axes without end": lambda: _file([LLAMA], [_tensor("a", axes=2**31)]),
    "a key twice": lambda: _file([LLAMA, LLAMA], []),
    "a tensor twice": lambda: _file([LLAMA], [_tensor("a", 0), _tensor("a", 0)]),
    "nothing": lambda: b"",
    "another version": lambda: b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_gguf_header_that_lies_is_refused_at_once(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(LIES[lie]())
    began = time.process_time()
    for look in (read_header, lambda path: inspect_model(_source(path))):
        with pytest.raises(ModelError, match=r"x\.gguf is not a GGUF file that can be read"):
            look(file)
    assert time.process_time() - began < 5


@settings(max_examples=50)
@given(data=st.data())
def test_a_changed_gguf_header_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = _file([LLAMA, _key("x", 9, _list(4, 2, bytes(8)))], [_tensor("a", 1)]) + bytes(64)
    at = data.draw(st.integers(0, len(whole) - 1))
    piece = data.draw(st.binary(max_size=9))
    file = tmp_path_factory.mktemp("g") / "x.gguf"
    file.write_bytes(whole[:at] + piece + whole[at + data.draw(st.integers(0, 9)) :])
    with suppress(ModelError):
        read_header(file)
