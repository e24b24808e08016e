"""Pairs for compiled programs: tokens by name, and answers that are outputs."""

from __future__ import annotations

from typing import Any

import pytest

from discovery.tasks.build import build_dataset
from discovery.tasks.names import TokenNames
from discovery.tasks.submitted import tokenise
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import (
    Eap,
    InductionTask,
    IoiTask,
    Limits,
    ModelId,
    TaskData,
    TopEdges,
)
from graph_schema.documents.dataset import PairDocument
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import DatasetError

LETTERS = TokenNames(
    tokens={"a": 0, "b": 1, "c": 2, "BOS": 3, "PAD": 4},
    n_outputs=2,
    outputs=("c", "true"),
    bos=3,
    pad=4,
)
VOCABULARY = Vocabulary(5, n_ctx=6, names=LETTERS)


def made(**pair: Any) -> Any:
    return tokenise("line 1", PairDocument(**pair), VOCABULARY)


def test_text_is_names_after_bos_and_answers_are_outputs() -> None:
    pair = made(clean="a b  c", corrupt="BOS b b c", answers=("true",), wrong_answers=(" c",))
    assert (pair.clean, pair.corrupt) == ((3, 0, 1, 2), (3, 1, 1, 2))
    assert (pair.answers, pair.wrong_answers) == (((1,),), ((0,),))
    weights = made(clean="a", corrupt="b", weights=((("c", 1.0), (1, -1.0)),)).weights
    assert weights == (((0, 1.0), (1, -1.0)),)


def test_ids_are_taken_as_they_are() -> None:
    pair = made(clean=(0, 1), corrupt=(1, 1), answers=(1,), wrong_answers=(0,))
    assert (pair.clean, pair.answers, pair.wrong_answers) == ((0, 1), ((1,),), ((0,),))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ({"clean": "a x", "corrupt": "a b"}, "line 1: clean: 'x' is no token .* 'a', 'b', 'c'"),
        ({"clean": (9,), "corrupt": (1,)}, "line 1: clean holds token id 9"),
        ({"answers": ("b",)}, "line 1: the answer: 'b' is no output .* of 'c', 'true'"),
        ({"answers": (2,)}, "the answer is output 2; the model has 2 outputs, 0 to 1"),
        ({"clean": "a b", "corrupt": "a"}, 'line 1: clean has 3 tokens.* differ in "b" and'),
    ],
)
def test_what_is_no_name_is_refused(pair: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        made(**{"clean": "a", "corrupt": "b", "answers": (0,), **pair})


def test_bos_can_be_left_out_and_only_a_known_one_be_forced() -> None:
    assert LETTERS.prompt("a b", False) == (0, 1)
    assert LETTERS.prompt("a b", True) == (3, 0, 1)
    bare = TokenNames({"a": 0}, n_outputs=1)
    assert bare.prompt("a", None) == (0,)
    with pytest.raises(DatasetError, match=r"case\.json names no 'bos'"):
        bare.prompt("a", True)


def test_induction_answers_with_the_output_that_says_the_token() -> None:
    tokens = {f"t{i}": i for i in range(30)} | {"BOS": 30}
    values = tuple(f"t{i}" for i in reversed(range(30)))
    names = TokenNames(tokens, n_outputs=30, outputs=values, bos=30)
    found = build_dataset(_spec(InductionTask()), None, 31, None, Limits(), 40, names)
    for pair in (*found.discovery, *found.heldout):
        assert pair.clean.index(30) == 0
        assert 30 not in pair.clean[1:]
        start, _ = pair.spans["source"]
        assert pair.answers == ((29 - pair.clean[start],),)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            TokenNames({f"t{i}": i for i in range(30)}, 3, ("up", "down", "flat")),
            r"token 't\d+' is none of the model's 3 outputs \('up', 'down', 'flat'\)",
        ),
        (
            TokenNames({f"t{i}": i for i in range(30)}, 40, tuple(map(str, range(40)))),
            r"is none of the model's 40 outputs",
        ),
        (
            TokenNames({f"t{i}": i for i in range(30)}, 1),
            r"is none of the model's 1 outputs \(one number\)",
        ),
    ],
)
def test_tasks_of_tokens_are_refused_where_outputs_are_others(
    names: TokenNames, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        build_dataset(_spec(InductionTask()), None, 30, None, Limits(), 40, names)
    with pytest.raises(DatasetError, match="the model is a compiled program"):
        build_dataset(_spec(IoiTask()), None, 30, None, Limits(), 40, names)


def _spec(task: Any) -> DiscoverSpec:
    return DiscoverSpec(
        model=ModelId(fingerprint="0" * 64),
        data=TaskData(task=task, pairs=16),
        method=Eap(),
        selection=TopEdges(n_edges=3),
    )
