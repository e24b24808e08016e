"""What is read of a model, and that nothing that lies beside it is."""

from __future__ import annotations

import errno
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import gguf
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast
from transformers.models.auto.tokenization_auto import (
    TOKENIZER_MAPPING_NAMES,
    tokenizer_class_from_name,
)

from discovery.models.families import FAMILIES
from discovery.models.inspecting import Place, inspect_model, readable
from graph_schema.documents import ModelSource
from graph_schema.errors import MissingExtraError, ModelError, ModelUnavailable, ResourceError
from graph_schema.models.files import READ_FIRST


def _words(vocabulary: list[str]) -> PreTrainedTokenizerFast:
    ids = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=vocabulary[0]))
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=vocabulary[0])


def test_a_gguf_file_has_its_own_tokenizer_whatever_lies_beside_it(tmp_path: Path) -> None:
    """That one is not in the file's fingerprint."""
    file = tmp_path / "tiny.gguf"
    writer: Any = gguf.GGUFWriter(file, "llama")
    sizes = {"context_length": 32, "block_count": 1, "embedding_length": 8, "vocab_size": 6}
    for name, size in {**sizes, "feed_forward_length": 8, "attention.head_count": 2}.items():
        writer.add_uint32(f"llama.{name}", size)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<s>", "</s>", "a", "b", "c", "ab"])
    writer.add_token_types([3, 3, 1, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for write in ("write_header_to_file", "write_kv_data_to_file", "write_tensors_to_file"):
        getattr(writer, write)()
    writer.close()
    source = ModelSource(name=str(file))

    def encoded() -> list[int]:
        tokenizer = inspect_model(source).tokenizer
        assert tokenizer is not None
        return tokenizer("abc")["input_ids"]

    alone = encoded()
    _words(["what", "else", "abc"]).save_pretrained(tmp_path)
    assert encoded() == alone
    assert 5 in alone


@pytest.mark.parametrize("family", FAMILIES)
def test_every_file_that_a_tokenizer_reads_is_fetched_and_hashed(family: str) -> None:
    name = TOKENIZER_MAPPING_NAMES.get(family.removesuffix("_text"))
    tokenizer: Any = tokenizer_class_from_name(name) if name else None
    for file in (tokenizer.vocab_files_names if tokenizer else {}).values():
        assert any(fnmatch(file, pattern) for pattern in READ_FIRST), file


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ImportError("requires the tiktoken library"), MissingExtraError),
        (FileNotFoundError(errno.ENOENT, "No such file"), ModelUnavailable),
        (OSError(errno.EIO, "Input/output error"), ModelUnavailable),
        (OSError("no file named model.safetensors in /cache/x"), ModelError),
        (MemoryError(), ResourceError),
        (ValueError("bad header"), ModelError),
    ],
)
def test_why_a_file_is_not_read_says_who_can_act(error: Exception, kind: type[Exception]) -> None:
    place = Place(Path("/cache/x"))
    with pytest.raises(kind) as raised, readable(ModelSource(name="org/name"), "weights", place):
        raise error
    assert type(raised.value) is kind
    assert "model 'org/name'" in str(raised.value)
    assert "/cache/x" not in str(raised.value)
    assert not raised.value.lasting  # pyright: ignore[reportAttributeAccessIssue]


def test_a_gguf_file_goes_by_the_name_that_was_given() -> None:
    place, source = Place(Path("/cache/x"), "a.gguf"), ModelSource(name="/home/me/a.gguf")
    with pytest.raises(ModelError) as raised, readable(source, "weights", place):
        raise ValueError("/cache/x/a.gguf is cut short")
    assert "(/home/me/a.gguf is cut short)" in str(raised.value)
