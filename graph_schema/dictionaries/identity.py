"""A dictionary's tensors as one hash, read as they lie: safetensors and npz by names and values.

Half precision is widened first, as in a model's hash, so that a copy in a wider type is the same
dictionary. A `.pt` file is hashed as a whole, since it cannot be taken apart without torch.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from graph_schema.dictionaries.described import Described, Part
from graph_schema.dictionaries.tensor_files import TensorHeader, read_headers, reading
from graph_schema.documents.dictionary import DictionaryDocument
from graph_schema.models.weights import StoredTensor, combined, tensor_sha256

TORN = (".npz", ".safetensors")


def document_of(found: Described) -> DictionaryDocument:
    """The dictionary's identity; reads its tensors once.

    Raises:
        DictionaryError: A file is gone or damaged.
    """
    return found.document(tensors_sha256(found))


def tensors_sha256(found: Described) -> str:
    """SHA-256 over roles, stored shapes and values of a dictionary's tensors."""
    headers = {file: read_headers(file) for file in found.files if file.suffix in TORN}
    return combined(_hashes(found, headers))


def _hashes(
    found: Described, headers: dict[Path, dict[str, TensorHeader]]
) -> Iterator[tuple[str, tuple[int, ...], str]]:
    whole: dict[Path, str] = {}
    for role, part in sorted(found.parts.items()):
        name = f"{role} {' '.join(part.axes)}"
        if part.file in headers:
            yield name, part.shape, _values(part, headers[part.file][part.name])
            continue
        if part.file not in whole:
            with reading(part.file), part.file.open("rb") as data:
                whole[part.file] = hashlib.file_digest(data, "sha256").hexdigest()
        yield name, part.shape, whole[part.file]


def _values(part: Part, header: TensorHeader) -> str:
    if header.start is not None:
        with reading(part.file):
            return tensor_sha256(
                StoredTensor(part.file, header.dtype, header.shape, header.start, header.n_bytes)
            )
    with (
        reading(part.file),
        zipfile.ZipFile(part.file) as packed,
        packed.open(f"{part.name}.npy") as array,
    ):
        values = npy.read_array(array, allow_pickle=False)
    wide = "F32" if header.dtype == "F16" else header.dtype
    kept = values.astype("<f4" if wide == "F32" else values.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{wide} ".encode())
    digest.update(np.ascontiguousarray(kept).tobytes())
    return digest.hexdigest()
