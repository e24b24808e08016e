"""Records of the MIB benchmark (arXiv:2504.13151) as pairs: its `ioi` and `arithmetic` formats.

A record has a `prompt` and, under names that end in `_counterfactual`, other prompts of which one
serves as the corrupt one: for ioi `s2_io_flip_counterfactual`, for arithmetic
`random_counterfactual`, as MIB's circuit track takes them. Groups are the templates; MIB's own ids
repeat over templates and are left out.
"""

from __future__ import annotations

from typing import Any, cast

from graph_schema.datasets.pair import fail, shown
from graph_schema.documents.dataset import PairDocument

Record = dict[str, Any]

IOI = ("s2_io_flip_counterfactual", "abc_counterfactual")
ARITHMETIC = ("random_counterfactual",)


def is_mib_record(record: Record) -> bool:
    """Whether a line is a record of MIB rather than one of ours."""
    return (
        "clean" not in record
        and "prompt" in record
        and any(key.endswith("_counterfactual") for key in record)
    )


def mib_pair(place: str, record: Record) -> PairDocument:
    """The pair of a MIB record.

    Answers are those of MIB's scorer: for ioi the two names after a space, for arithmetic the two
    sums without one.

    Raises:
        DatasetError: A part of the record is missing or of another kind.
    """
    if "operand1" in record or "operator" in record:
        corrupt = _counterfactual(place, record, ARITHMETIC)
        answer = _text(place, record, "label")
        wrong = _text(place, corrupt, "label")
    else:
        corrupt = _counterfactual(place, record, IOI)
        metadata = _object(place, record, "metadata")
        answer = " " + _text(place, metadata, "indirect_object")
        wrong = " " + _text(place, metadata, "subject")
    template = record.get("template")
    return PairDocument(
        clean=_text(place, record, "prompt"),
        corrupt=_text(place, corrupt, "prompt"),
        answers=(answer,),
        wrong_answers=(wrong,),
        group=None if template is None else str(template),
    )


def _counterfactual(place: str, record: Record, names: tuple[str, ...]) -> Record:
    name = next((name for name in names if record.get(name) is not None), None)
    if name is None:
        fail(place, f"a MIB record without {' or '.join(map(repr, names))}; expected one of them")
    return _object(place, record, name)


def _object(place: str, record: Record, key: str) -> Record:
    value = record.get(key)
    if not isinstance(value, dict):
        fail(place, f"{key} of a MIB record is {shown(value)}; expected an object")
    return cast(Record, value)


def _text(place: str, record: Record, key: str) -> str:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        fail(place, f"{key} of a MIB record is {shown(value)}; expected text")
    return str(value)
