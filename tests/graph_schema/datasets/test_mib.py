"""MIB's records, in the shape its datasets have on the hub, read as pairs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graph_schema.datasets.file import read_jsonl
from graph_schema.documents import PairDocument
from graph_schema.errors import DatasetError

IOI: dict[str, Any] = {
    "prompt": "As Carl and Maria left the beach, Carl gave an apple to",
    "template": "As {name_A} and {name_B} left the {place}, {name_C} gave {object} to",
    "metadata": {
        "indirect_object": "Maria",
        "subject": "Carl",
        "object": "an apple",
        "place": "beach",
        "random_a": "Rita",
        "random_b": "Olga",
        "random_c": "Mark",
    },
    "choices": ["Carl", "Maria"],
    "answerKey": 1,
    "abc_counterfactual": {"prompt": "As Rita and Olga left the beach, Mark gave an apple to"},
    "s2_io_flip_counterfactual": {
        "prompt": "As Carl and Maria left the beach, Maria gave an apple to",
        "choices": ["Carl", "Maria"],
        "answerKey": 0,
    },
}
ARITHMETIC: dict[str, Any] = {
    "idx": 3,
    "template": "The sum of {op1} and {op2} is ",
    "prompt": "The sum of 14 and 23 is ",
    "label": "37",
    "operator": "+",
    "num_digit": 2,
    "operand1": 14,
    "operand2": 23,
    "random_counterfactual": {
        "prompt": "The sum of 52 and 11 is ",
        "label": 63,
        "operand1": 52,
        "operand2": 11,
    },
    "ones_op1_counterfactual": None,
}


def read(record: dict[str, Any]) -> PairDocument:
    return read_jsonl((json.dumps(record) + "\n").encode() * 8)[0]


def test_an_ioi_record_gives_the_two_names_and_the_flipped_prompt() -> None:
    pair = read(IOI)
    assert pair.clean == IOI["prompt"]
    assert pair.corrupt == IOI["s2_io_flip_counterfactual"]["prompt"]
    assert (pair.answers, pair.wrong_answers) == ((" Maria",), (" Carl",))
    assert pair.group == IOI["template"]


def test_without_the_flipped_prompt_the_abc_one_serves() -> None:
    pair = read({k: v for k, v in IOI.items() if k != "s2_io_flip_counterfactual"})
    assert pair.corrupt == IOI["abc_counterfactual"]["prompt"]


def test_an_arithmetic_record_gives_the_two_sums_as_written() -> None:
    pair = read(ARITHMETIC)
    assert pair.corrupt == "The sum of 52 and 11 is "
    assert (pair.answers, pair.wrong_answers) == (("37",), ("63",))


@pytest.mark.parametrize(
    ("record", "change", "part"),
    [
        (IOI, {"metadata": None}, "metadata of a MIB record is null; expected an object"),
        (IOI, {"metadata": {"subject": "Carl"}}, "indirect_object of a MIB record is null"),
        (IOI, {"prompt": 3.5}, "prompt of a MIB record is 3.5; expected text"),
        (ARITHMETIC, {"label": ""}, 'label of a MIB record is ""'),
        (
            ARITHMETIC,
            {"random_counterfactual": None},
            "a MIB record without 'random_counterfactual'; expected",
        ),
    ],
)
def test_a_broken_record_names_its_part(
    record: dict[str, Any], change: dict[str, Any], part: str
) -> None:
    with pytest.raises(DatasetError, match=r"^line 1: ") as error:
        read({**record, **change})
    assert part in str(error.value)
