"""What a file says of its circuit is bounded and printable wherever it is kept or shown."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

from graph_schema.documents import CircuitDocument
from graph_schema.exchange import (
    Exchanged,
    ExchangeError,
    ExchangeFormat,
    imported_circuit,
    read_circuit_file,
    said_data,
    write_circuit_file,
)
from graph_schema.reports import circuit_svg, summary, table
from tests.factories import make_circuit, make_model

STEERS = "\x1b]0;owned\x07\u202e\ud800"


def said(**words: str) -> tuple[Exchanged, bytes]:
    """A node-link file that says these words of its circuit."""
    file = json.loads(write_circuit_file(make_circuit(), ExchangeFormat.NODE_LINK))
    file["graph"] |= words
    data = json.dumps(file).encode()
    return read_circuit_file(data, ExchangeFormat.NODE_LINK), data


def imported(found: Exchanged, data: bytes) -> CircuitDocument:
    return imported_circuit(found, ExchangeFormat.NODE_LINK, data, make_circuit().model)


def test_what_a_file_says_is_kept_in_part() -> None:
    keys = ("task", "method", "metric", "ablation", "circuit_id")
    circuit = imported(*said(**dict.fromkeys(keys, "x" * 2_000_000)))
    assert len(circuit.notes[0]) < 1200
    assert all(f"{key} xxx" in circuit.notes[0] for key in keys)


@pytest.mark.parametrize("word", [STEERS, "\ud800"])
def test_no_file_steers_a_terminal(word: str) -> None:
    found, data = said(task=word, dataset_sha256="0" * 64)
    data_said = said_data(found)
    assert data_said is not None
    for text in (data_said.task, summary(imported(found, data)), table((word,), [(word,)])):
        assert all(line.isprintable() for line in text.splitlines())
        text.encode()


def test_drawings_and_graphml_stay_well_formed() -> None:
    circuit = make_circuit(model=make_model("made/\x1b[31m\x00"))
    assert "made/" in "".join(ElementTree.fromstring(circuit_svg(circuit)).itertext())
    assert (
        read_circuit_file(
            write_circuit_file(circuit, ExchangeFormat.GRAPHML), ExchangeFormat.GRAPHML
        )
        .metadata["model"]
        .startswith("made/\ufffd")
    )


def test_a_file_without_a_circuit_is_refused() -> None:
    for scores, message in (
        ({}, "in its circuit; expected"),
        ({"input->m0": 1.0}, "and scores 1: choose with --edges N or --threshold X"),
    ):
        with pytest.raises(ExchangeError, match=message):
            imported(Exchanged((), scores), b"")
