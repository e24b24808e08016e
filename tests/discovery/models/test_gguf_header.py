"""What is read of a GGUF file before its weights."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from discovery.models.gguf_header import Skipped, read_header
from graph_schema.errors import ModelError
from tests.discovery.models.gguf_files import random_model, write_gguf


def test_the_header_is_what_the_gguf_package_reads(tmp_path: Path) -> None:
    keys = {"a.list": [1, 2, 3], "a.flag": True, "a.text": "é"}
    file = write_gguf(random_model("qwen3"), tmp_path / "tiny.gguf", "qwen3", keys)
    found, wanted = read_header(file), gguf.GGUFReader(str(file))
    assert {t.name: (t.data_offset, tuple(t.shape)[::-1]) for t in wanted.tensors} == {
        name: (tensor.start, tensor.shape) for name, tensor in found.tensors.items()
    }
    assert found.values["qwen3.a.list"] == [1, 2, 3]
    for key, value in found.values.items():
        if not isinstance(value, Skipped | list):
            assert wanted.fields[key].contents() == value
    assert found.values["tokenizer.ggml.tokens"] == Skipped(61)
    plain = {t.name: t.data for t in wanted.tensors}
    np.testing.assert_array_equal(found.numbers("output_norm.weight"), plain["output_norm.weight"])


@pytest.mark.parametrize("cut", [3, 4, 9, 40, 300])
def test_a_file_cut_short_is_an_error_of_ours(cut: int, tmp_path: Path) -> None:
    file = write_gguf(random_model("llama"), tmp_path / "tiny.gguf", "llama")
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"tiny\.gguf is not a GGUF file that can be read"):
        read_header(file)


def test_big_endian_and_old_files_are_refused(tmp_path: Path) -> None:
    for version in (1, struct.unpack("<I", struct.pack(">I", 3))[0]):
        file = tmp_path / "tiny.gguf"
        file.write_bytes(b"GGUF" + struct.pack("<IQQ", version, 0, 0))
        with pytest.raises(ModelError, match="expected version 2 or 3, little-endian"):
            read_header(file)
