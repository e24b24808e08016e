"""Whatever somebody sends as text or a file: a document of ours or an error of ours, and soon."""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graph_schema.array_files import decode
from graph_schema.artifacts import ArtifactStore
from graph_schema.datasets.file import dataset_document, read_jsonl
from graph_schema.dictionaries.hooks import place_of
from graph_schema.dictionaries.said import Said
from graph_schema.dictionaries.sources import resolve
from graph_schema.dictionaries.tensor_files import npz_headers, safetensors_headers
from graph_schema.documents import ExchangeFormat, Limits
from graph_schema.documents.component import Component, Edge
from graph_schema.errors import CircuitServiceError, SpecError
from graph_schema.exchange.files import read_circuit_file
from graph_schema.exchange.hooks import read_hook_edge
from graph_schema.exchange.importing import format_of
from graph_schema.exchange.labels import read_label_table
from graph_schema.models.fingerprint import resolve_source
from graph_schema.models.hub import require_hub_name
from graph_schema.motifs.notation import parse_motif
from workers.cli.options import assignments
from workers.requests.since import moment

SECONDS = 5.0
LINE = {"clean": "a b", "corrupt": "a c", "answers": ["x"], "wrong_answers": ["y"]}
MOTIF = """
name: mine
nodes: {a: {role: previous_token}, b: {role: induction}}
edges: [a -k-> b]
"""


def ours(read: Callable[[], Any]) -> Any:
    """What was read, or None where it was refused by an error of ours; in time, either way."""
    began = time.process_time()
    try:
        return read()
    except CircuitServiceError:
        return None
    finally:
        assert time.process_time() - began < SECONDS


def _spliced(whole: bytes) -> st.SearchStrategy[bytes]:
    """A whole file with a piece of it changed."""
    pieces = st.binary(max_size=6) | st.sampled_from(
        [
            *(b"\x00", b"\xff", b"\xed\xa0\x80", b"NaN", b"1e999", b"-1", b"[" * 999, b"9" * 5000),
            *(b"{", b'"\\ud800"', b"null", b"\xef\xbb\xbf", b"\r", b"\xe2\x80\xae", b"&a [*a]"),
        ]
    )
    return st.tuples(st.integers(0, len(whole)), st.integers(0, 9), pieces).map(
        lambda drawn: whole[: drawn[0]] + drawn[2] + whole[drawn[0] + drawn[1] :]
    )


ODD_NAMES = [
    *("~nosuchuser/model", "~nosuchuser/x.gguf", "/a\x00b", "\x00.gguf", "/" + "a" * 5000),
    *("/" + "a/" * 5000, "/\ud800", "file:///etc/passwd", "../../etc", "a/..", "a/b\n", "", "/"),
    *("a/b/../../etc", "\N{FULLWIDTH SOLIDUS}etc", "a\\..\\b", "./..", "C:\\x", "org/na\u202eme"),
]
TEXT = st.text(st.characters(), max_size=60)


@settings(max_examples=50)
@given(TEXT | st.sampled_from(ODD_NAMES))
def test_a_model_s_name(name: str) -> None:
    found = ours(lambda: resolve_source(name))
    assert found is None or found.name.startswith("/") or ".." not in found.name
    ours(lambda: resolve(name))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_is_refused_or_a_path_that_is_there(name: str) -> None:
    for look in (resolve_source, resolve):
        found = ours(lambda look=look: look(name))
        assert found is None or Path(found.name).exists()


@pytest.mark.parametrize(
    "revision", ["../../x", "/etc", "a/../b", "", "a b", "-x", "a\x00", "a\nb"]
)
def test_a_revision_leaves_no_cache(revision: str) -> None:
    with pytest.raises(SpecError, match="revision"):
        resolve_source("org/name", revision)
    with pytest.raises(SpecError, match="revision"):
        resolve("org/name", "", revision)


@pytest.mark.parametrize("revision", ["main", "refs/pr/7", "v1.0", "step-1000", "a" * 40])
def test_a_revision_as_the_hub_has_them_passes(revision: str) -> None:
    assert resolve_source("org/name", revision).revision == revision
    require_hub_name("org/name", revision)


@settings(max_examples=50)
@given(_spliced("\n".join([json.dumps(LINE)] * 8).encode()))
@example(b"")
def test_a_dataset(data: bytes) -> None:
    pairs = ours(lambda: read_jsonl(data))
    if pairs is not None:
        stored = dataset_document(pairs, "t")
        again = read_jsonl(stored.jsonl.encode())
        assert dataset_document(again, "t") == stored


@pytest.mark.parametrize(
    "more",
    [
        *('"metadata": {"a": ' + "[" * n + "]" * n + "}" for n in (40, 300, 900, 100_000)),
        '"metadata": {"a": NaN}',
        '"metadata": {"a": 1e999}',
        f'"metadata": {{"a": {9 * 10**4299}}}',
        '"metadata": {"a": 1, "a": 2}',
        '"metadata": {"a": "\\ud800"}',
        '"id": "a\\u0000", "id": "b"',
        '"split": {}',
        f'"positions": [{-(10**30)}]',
        '"answers": ' + "[" * 500 + "]" * 500,
    ],
)
def test_a_line_that_is_no_pair(more: str) -> None:
    line = f"{json.dumps(LINE)[:-1]}, {more}}}"
    data = "\n".join([line] * 8).encode()
    read = ours(lambda: dataset_document(read_jsonl(data, Limits(dataset_bytes=2**30)), "t"))
    assert read is None or "positions" in more


@pytest.mark.parametrize(
    "data",
    [
        b'{"clean": "' + b"x" * (4 * 2**20),
        (json.dumps(LINE) + "\n").encode() * 1_000_000,
        b"\n" * (4 * 2**20 + 1),
        b"\x00" * (4 * 2**20 + 1),
    ],
    ids=["a line", "a million pairs", "lines of nothing", "nulls"],
)
def test_a_dataset_that_is_too_large_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(SpecError, match="the limit is 4,194,304 bytes"):
        read_jsonl(data)


@settings(max_examples=50)
@given(_spliced(MOTIF.encode()) | TEXT.map(lambda text: text.encode(errors="surrogatepass")))
def test_a_motif(data: bytes) -> None:
    motif = ours(lambda: parse_motif(data.decode(errors="surrogateescape")))
    if motif is not None:
        assert type(motif).model_validate_json(motif.model_dump_json()) == motif


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{a: " * 15_000,
        "- " * 30_000,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "!!python/object/apply:os.system ['true']",
        "name: " + "9" * 9999,
        "name: 2025-99-99",
        "? [a]",
        'name: "\\ud800"\nnodes: {a: {role: induction}}\nedges: [a -> a]',
    ],
)
def test_yaml_that_means_harm(text: str, tmp_path: Path) -> None:
    assert ours(lambda: parse_motif(text)) is None
    file = tmp_path / "config.yaml"
    file.write_text(text)
    ours(lambda: Said.of(file))


@settings(max_examples=50)
@given(
    TEXT
    | st.from_regex(
        r"[am]\d{1,3}(\.[hfn]\d{1,9})?(@\d{1,9})?(->[am]\d+(<[qkv]>)?)?", fullmatch=True
    )
)
@example("m0.f" + "9" * 5000)
@example("a" + "9" * 5000 + ".h1->m1")
@example("m\N{ARABIC-INDIC DIGIT THREE}")
@example("m0\n")
def test_a_name_of_a_node_or_an_edge(text: str) -> None:
    node = ours(lambda: Component.parse(text))
    assert node is None or Component.parse(node.name) == node
    edge = ours(lambda: Edge.parse(text))
    assert edge is None or Edge.parse(edge.name) == edge
    ours(lambda: read_hook_edge(text, 2))
    ours(lambda: place_of(text))


@settings(max_examples=30)
@given(TEXT | st.from_regex(r"\d{1,9}[smhdw]|\d{4}-\d\d-\d\d(T\d\d:\d\d([+-]\d\d:\d\d)?)?"))
@example("0001-01-01")
@example("9999-12-31T23:59:59-23:59")
def test_a_moment(text: str) -> None:
    ours(lambda: moment(text, 1e9))


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 9999, "NaN", '"\\ud800"', "{", "1e999"])
def test_a_parameter_of_the_command_line(value: str) -> None:
    assert "a" in assignments([f"a={value}"], "--param")


@settings(max_examples=40)
@given(
    st.sampled_from(list(ExchangeFormat)),
    st.binary(max_size=80)
    | st.sampled_from(
        [
            *(b"[" * 100_000, b'{"a":' * 50_000, b"9" * 9999, b"\xef\xbb\xbf{}", b"\xff\xfe"),
            *(b'{"a": "\\ud800"}', b'<!DOCTYPE a [<!ENTITY b "c">]><graphml>&b;</graphml>'),
            *(b"sender,receiver,channel,score\n" + b"a" * 200_000 + b",b,c,1\n", b"\x00" * 99),
        ]
    ),
)
def test_a_circuit_s_file(kind: ExchangeFormat, data: bytes) -> None:
    ours(lambda: read_circuit_file(data, kind))
    ours(lambda: format_of("x.json", data))
    ours(lambda: read_label_table(data))


def _safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _entry(dtype: str = "F32", shape: object = (1,), offsets: object = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


FOUR = bytes(4)
LIES = {
    "longer than the file": struct.pack("<Q", 2**63) + b"{}",
    "past the end": _safetensors({"a": _entry(offsets=(0, 400))}, FOUR),
    "backwards": _safetensors({"a": _entry(offsets=(4, 0))}, FOUR),
    "over each other": _safetensors({"a": _entry(), "b": _entry()}, FOUR),
    "a hole": _safetensors({"a": _entry(offsets=(4, 8))}, FOUR * 2),
    "twice": _safetensors(b'{"a": %s, "a": %s}' % ((json.dumps(_entry()).encode(),) * 2), FOUR),
    "negative": _safetensors({"a": _entry(shape=[-1])}, FOUR),
    "2^60 numbers": _safetensors({"a": _entry(shape=[2**60])}, FOUR),
    "2^60 by 2^60": _safetensors({"a": _entry(shape=[2**60, 2**60])}, FOUR),
    "no such kind": _safetensors({"a": _entry(dtype="F33")}, FOUR),
    "a kind that is none": _safetensors({"a": _entry() | {"dtype": []}}, FOUR),
    "halves": _safetensors({"a": _entry(shape=[0.5])}, FOUR),
    "a list": _safetensors([1, 2]),
    "deep": _safetensors(b"[" * 50_000),
    "no UTF-8": _safetensors(b"\xff\xfe"),
    "text for offsets": _safetensors({"a": _entry(offsets="01")}, FOUR),
    "empty": b"",
    "cut": b"\x08\x00",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_safetensors_header_that_lies(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(LIES[lie])
    with pytest.raises(CircuitServiceError):
        safetensors_headers(file)
    if lie != "twice":  # what we write is known by its hash
        with pytest.raises(CircuitServiceError):
            decode(LIES[lie])


WHOLE_SAFETENSORS = _safetensors({"a": _entry(), "b": _entry(offsets=(4, 8))}, FOUR * 2)


def _npz(name: str = "a.npy") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        array = io.BytesIO()
        np.save(array, np.arange(3.0))
        packed.writestr(name, array.getvalue())
    return out.getvalue()


@settings(max_examples=40)
@given(_spliced(WHOLE_SAFETENSORS), _spliced(_npz()))
def test_a_changed_file_of_tensors(
    tmp_path_factory: pytest.TempPathFactory, tensors: bytes, arrays: bytes
) -> None:
    folder = tmp_path_factory.mktemp("t")
    (folder / "x.safetensors").write_bytes(tensors)
    (folder / "x.npz").write_bytes(arrays)
    ours(lambda: safetensors_headers(folder / "x.safetensors"))
    ours(lambda: npz_headers(folder / "x.npz"))
    ours(lambda: decode(tensors))


@pytest.mark.parametrize("name", ["../../evil.npy", "/etc/evil.npy", "a\\..\\..\\evil.npy"])
def test_a_member_s_name_leads_nowhere(name: str, tmp_path: Path) -> None:
    """Members are read where they are and never written out."""
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "x.npz").write_bytes(_npz(name))
    ours(lambda: npz_headers(inside / "x.npz"))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x.npz"]


@settings(max_examples=40)
@given(
    TEXT
    | st.lists(st.sampled_from(["..", ".", "", "a", "\\", "\x00", "~", "C:"]), max_size=5).map(
        "/".join
    )
)
@example("/etc/passwd")
@example("a/../../x")
@example("file:///etc/passwd")
def test_an_artifact_s_key_stays_in_its_store(
    tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    root = tmp_path_factory.mktemp("s")
    store = ArtifactStore(str(root / "store"))
    ours(lambda: store.save_bytes(key, b"x"))
    assert {path.name for path in root.iterdir()} <= {"store"}
    ours(lambda: store.load_bytes(key))
    ours(lambda: store.exists(key))
