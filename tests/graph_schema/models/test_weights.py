"""Weights are hashed as they lie; a header that lies ends in an error of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph_schema.errors import ModelError
from graph_schema.models.weights import weights_sha256


@pytest.mark.parametrize(
    "header",
    [
        "[" * 100_000,
        '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e999]}}',
        '{"w": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 4]}}',
        *(
            json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": place}})
            for place in ([4, 0], [-1000, 4], [2**70, 2**70 + 4], [0, 9])
        ),
    ],
    ids=["deep", "endless", "endless shape", "backwards", "before", "far", "beyond"],
)
def test_a_header_that_lies_is_refused(header: str, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(8))
    with pytest.raises(ModelError, match="are no safetensors file"):
        weights_sha256([file])
