"""The named questions have the answers that are known by hand, on both servers.

Those about features are asked in `test_of_features.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask, check, find_question
from graph_schema.store.questions.catalogue import QUESTIONS
from graph_schema.store.questions.of_features import FEATURES
from graph_schema.store.servers.java import JavaServer
from graph_schema.store.user_cypher.columns import returned_columns
from graph_schema.store.user_cypher.guard import guard
from tests.made_world import G1, MadeWorld, fill
from tests.servers import EMPTY

Params = dict[str, Any]
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def filled(server: JavaServer) -> Generator[tuple[GraphStore, MadeWorld]]:
    """The made world, written once for all tests of this file."""
    with GraphStore(server.address) as store:
        store.migrate()
        store.write(lambda tx: tx.run(EMPTY).consume())
        yield store, fill(store)
        store.write(lambda tx: tx.run(EMPTY).consume())


def _g1(world: MadeWorld) -> Params:
    return {"circuit": world.id("g1")[:12]}


ROLE = ("induction", "induction", "role")
WIRING = ("induction", "induction", "wiring")
NONE = (None, None, None)
FIVE = (5, "made models of three families")
CHAIN = "input -v-> a0.h1 -k-> a1.h2 -r-> logits"

# name, parameters, rows; columns that the row leaves out at its end are not compared.
KNOWN: list[tuple[str, Callable[[MadeWorld], Params], Callable[[MadeWorld], list[Row]]]] = [
    (
        "induction-in-models",
        lambda _: {},
        lambda _: [
            ("gpt2", "gpt2/one", 2, 2, 1, 1),
            ("gpt2", "gpt2/two", 1, 1, 0, 0),
            ("llama", "llama/one", 1, 1, 1, 2),
            ("neox", "neox/one", 1, 0, 0, 0),
            ("neox", "neox/two", 0, 0, 0, 0),
        ],
    ),
    (
        "induction-in-models",
        lambda _: {"task": "ioi"},
        lambda _: [
            ("gpt2", "gpt2/one", 1, 1, 0, 0),
            ("gpt2", "gpt2/two", 0, 0, 0, 0),
            ("llama", "llama/one", 0, 0, 0, 0),
            ("neox", "neox/one", 0, 0, 0, 0),
            ("neox", "neox/two", 0, 0, 0, 0),
        ],
    ),
    (
        "counts-by-family",
        lambda _: {"motif": "induction"},
        lambda _: [
            (*ROLE, "gpt2", 2, 2, 0, pytest.approx(0.1581, abs=1e-4), 1.0),
            (*ROLE, "llama", 1, 1, 0, pytest.approx(0.025), 1.0),
            (*ROLE, "neox", 0, 1, 1, 0.0, pytest.approx(0.975)),
            (
                *WIRING,
                "gpt2",
                1,
                2,
                0,
                pytest.approx(0.0126, abs=1e-4),
                pytest.approx(0.9874, abs=1e-4),
            ),
            (*WIRING, "llama", 1, 1, 0, pytest.approx(0.025), 1.0),
            (*WIRING, "neox", 0, 1, 1, 0.0, pytest.approx(0.975)),
        ],
    ),
    (
        "counts-by-family",
        lambda _: {"rung": "wiring", "motif": "k_composition", "task": "induction"},
        lambda _: [("k_composition", "induction", "wiring", "gpt2", 1, 1, 0)],
    ),
    (
        "counterexamples",
        lambda _: {},
        lambda _: [
            (*ROLE, "undecided", 3, 4, "neox", "neox/one", "role is absent", *FIVE),
            (*WIRING, "undecided", 2, 4, "gpt2", "gpt2/two", "wiring is absent", *FIVE),
            (*WIRING, "undecided", 2, 4, "neox", "neox/one", "wiring is absent", *FIVE),
            ("k_composition", "induction", "wiring", "strong", 1, 1, *NONE, 1, FIVE[1]),
        ],
    ),
    (
        "role-without-wiring",
        lambda _: {},
        lambda _: [("induction", "induction", "gpt2", "gpt2/two", "wiring is absent")],
    ),
    (
        "role-depth",
        lambda _: {},
        lambda _: [
            ("induction", "gpt2", 2, 2, 0.75, 0.75, 0.75),
            ("induction", "llama", 1, 3, 0.25, pytest.approx(1.75 / 3), 0.75),
            ("name_mover", "gpt2", 1, 1, 0.75, 0.75, 0.75),
            ("previous_token", "gpt2", 2, 2, 0.25, 0.25, 0.25),
            ("previous_token", "llama", 1, 1, 0.25, 0.25, 0.25),
        ],
    ),
    (
        "role-depth",
        lambda _: {"role": "induction", "task": "ioi"},
        lambda _: [],
    ),
    (
        "opposing-loops",
        _g1,
        lambda _: [
            ("input", "r", "m0", "r", "logits", "r", pytest.approx(-0.03), 0.2),
        ],
    ),
    (
        "closest-circuits",
        _g1,
        lambda world: [
            (
                world.id("l1"),
                "llama",
                "llama/one",
                "induction",
                0.85,
                pytest.approx(0.8),
                pytest.approx(0.9),
            ),
            (
                world.id("n1"),
                "neox",
                "neox/one",
                "induction",
                0.25,
                pytest.approx(0.2),
                pytest.approx(0.3),
            ),
        ],
    ),
    (
        "same-part",
        lambda _: {"model": "gpt2/one", "component": "a1.h2"},
        lambda _: [
            ("induction", "induction", "gpt2", "gpt2/two", "a1.h2", 0.75, 0.55, 2.0),
            ("induction", "induction", "llama", "llama/one", "a1.h1", 0.75, 0.55, 1.5),
            ("induction", "induction", "llama", "llama/one", "a1.h3", 0.75, 0.55, 0.5),
            ("induction", "induction", "llama", "llama/one", "a0.h3", 0.25, 0.55, 0.25),
        ],
    ),
    (
        "shared-components",
        lambda _: {"model": G1.fingerprint[:8]},
        lambda _: [
            ("a0.h1", "head", 2, 2, ["induction", "ioi"]),
            ("m0", "mlp", 2, 2, ["induction", "ioi"]),
        ],
    ),
    (
        "shared-components",
        lambda _: {"model": "gpt2/one", "tasks": "1", "limit": 1},
        lambda _: [("a0.h1", "head", 2, 2)],
    ),
    (
        "strongest-paths",
        _g1,
        lambda _: [
            (CHAIN, 0.75 * 1.5 * 2.125, 3),
            ("input -q-> a1.h2 -r-> logits", 0.5 * 2.125, 2),
            ("input -v-> a1.h2 -r-> logits", 0.25 * 2.125, 2),
            ("input -r-> logits", 0.2, 1),
            ("input -r-> m0 -r-> logits", pytest.approx(-0.03), 2),
        ],
    ),
    (
        "strongest-paths",
        lambda world: _g1(world) | {"least": 0.3},
        lambda _: [(CHAIN,), ("input -q-> a1.h2 -r-> logits",)],
    ),
    (
        "strongest-paths",
        lambda world: _g1(world) | {"hops": 1},
        lambda _: [("input -r-> logits", 0.2, 1)],
    ),
    (
        "occurrence-effects",
        _g1,
        lambda _: [
            (
                *("induction", ["a0.h1", "a1.h2", "logits"], "a0.h1", "a1.h2", "k", 1.5),
                *(0.5, 0.45, 0.55, ["wrong_position", "v"], [0.001, 0.05]),
                *("logit_diff", "corrupt", 0),
            ),
            (
                *("induction", ["a0.h1", "a1.h2", "logits"], "a1.h2", "logits", "r", 2.125),
                *(0.9, 0.85, 0.95, [], [], "logit_diff", "corrupt", 0),
            ),
        ],
    ),
    (
        "unstable-edges",
        _g1,
        lambda _: [("input", "a1.h2", "v", 0.25, 0.4), ("m0", "logits", "r", -0.1, 0.7)],
    ),
    (
        "unstable-edges",
        lambda world: _g1(world) | {"below": 0.5},
        lambda _: [("input", "a1.h2", "v", 0.25, 0.4)],
    ),
    ("contradicted-verdicts", _g1, lambda _: []),
    (
        "contradicted-verdicts",
        lambda world: {"circuit": world.id("g2")},
        lambda _: [
            (
                "induction",
                "wiring",
                "undecided",
                "its model is a counterexample",
                "wiring is absent",
            ),
            ("k_composition", "wiring", "strong", "the motif does not occur in it", None),
        ],
    ),
    ("contradictions", lambda _: {"motif": "induction"}, lambda _: []),
    (
        "wired-otherwise",
        lambda _: {"motif": "induction"},
        lambda _: (
            [
                (
                    *("induction", "induction", "previous_token", "k", "induction", "gpt2"),
                    *("gpt2/one", 0.5, None, [], []),
                )
            ]
            * 2
        ),
    ),
    (
        "contradicted-verdicts",
        lambda world: {"circuit": world.id("n1")},
        lambda _: [("induction", "role", "undecided"), ("induction", "wiring", "undecided")],
    ),
]


@pytest.mark.parametrize(
    ("name", "parameters", "rows"), KNOWN, ids=[f"{i} {known[0]}" for i, known in enumerate(KNOWN)]
)
def test_a_question_has_the_known_answer(
    filled: tuple[GraphStore, MadeWorld],
    name: str,
    parameters: Callable[[MadeWorld], Params],
    rows: Callable[[MadeWorld], list[Row]],
) -> None:
    store, world = filled
    expected = rows(world)
    answer = ask(store, name, parameters(world))
    columns = len(expected[0]) if expected else None
    assert [row[:columns] for row in answer.rows] == expected
    assert answer.columns == returned_columns(guard(find_question(name).cypher).tokens)
    assert answer.columns


def test_everything_behind_a_verdict_is_there(filled: tuple[GraphStore, MadeWorld]) -> None:
    store, world = filled
    answer = ask(store, "verdict-evidence", {"verdict": world.role.verdict_id[:10]})
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert [(row["model"], row["says"], row["reason"]) for row in rows] == [
        ("gpt2/one", "SUPPORTED_BY", "role is present"),
        ("gpt2/two", "SUPPORTED_BY", "role is present"),
        ("llama/one", "SUPPORTED_BY", "role is present"),
        ("neox/one", "CONTRADICTED_BY", "role is absent"),
        ("neox/two", "UNDECIDED_IN", "role is untestable"),
    ]
    first = rows[0]
    circuit = world.circuits["g1"]
    assert first["role_graph"] == world.graph.role_graph_id
    assert (first["circuit"], first["dataset"]) == (circuit.circuit_id, circuit.dataset_sha256)
    assert first["run"] is not None
    assert (first["occurrences"], first["p"], first["q"]) == (1, 0.01, 0.03)
    assert [row["circuit"] for row in rows[1:]] == [None] * 4


def test_what_contradicts_a_verdict_is_named(filled: tuple[GraphStore, MadeWorld]) -> None:
    store, world = filled
    answer = ask(store, "contradictions", {"motif": "k_composition"})
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert {(row["kind"], row["contradicted_by"]) for row in rows} == {("Circuit", world.id("g2"))}
    assert {row["reason"] for row in rows} == {"k_composition does not occur in it"}


def test_role_graphs_measured_otherwise_are_shown_where_there_is_no_other(
    filled: tuple[GraphStore, MadeWorld],
) -> None:
    """The made world has one by logit_diff, as the circuit's, and one by prob_diff."""
    store, world = filled
    own, metric = world.id("g1"), "MATCH (c:Circuit {circuit_id: $id}) SET c.metric = $metric"
    store.write(lambda tx: tx.run(metric, id=own, metric="kl").consume())
    answer = ask(store, "occurrence-effects", {"circuit": own})
    store.write(lambda tx: tx.run(metric, id=own, metric="logit_diff").consume())
    assert answer.columns[-5:-1] == ("metric", "ablation", "seed", "role_graph_id")
    assert [row[-5:-2] for row in answer.rows] == [
        ("logit_diff", "corrupt", 0),
        ("prob_diff", "corrupt", 1),
    ] * 2
    assert {row[-2] for row in answer.rows} > {world.graph.role_graph_id}


def test_every_question_is_asked_here() -> None:
    asked = {known[0] for known in KNOWN} | {"verdict-evidence"}
    assert asked | {question.name for question in FEATURES} == set(QUESTIONS)
    assert len(QUESTIONS) == 20


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("unstable-edge", {}, "near ones are unstable-edges"),
        ("unstable-edges", {"bellow": 0.5}, "has no parameter 'bellow'; near ones are below"),
        ("unstable-edges", {}, "needs the parameter 'circuit': id of a circuit"),
        ("unstable-edges", {"circuit": ""}, "circuit is ''"),
        ("unstable-edges", {"circuit": "ab", "below": "x"}, "below is 'x'; expected a number"),
        ("unstable-edges", {"circuit": "ab", "below": 1.5}, "below is 1.5; expected 0 to 1"),
        ("strongest-paths", {"circuit": "ab", "hops": 2.5}, "hops is 2.5; expected a whole"),
        ("strongest-paths", {"circuit": "ab", "hops": 6}, "hops is 6; expected 1 to 5"),
        ("strongest-paths", {"circuit": "ab", "limit": True}, "limit is True"),
        ("strongest-paths", {"circuit": "ab", "limit": str(2**63)}, "limit is 922.*int64"),
        ("strongest-paths", {"circuit": "ab", "least": 10**5000}, "least is a whole .*int64"),
        ("strongest-paths", {"circuit": "ab", "least": "nan"}, "least is 'nan'"),
        ("role-depth", {"role": "inductor"}, "role is 'inductor'; expected one of previous_token"),
        ("counts-by-family", {"rung": "top"}, "rung is 'top'; expected one of behaviour"),
        ("same-part", {"model": "m", "component": "b7"}, "'b7' is not a name we know"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    name: str, parameters: Params, said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        check(find_question(name), parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("unstable-edges", {"circuit": "zz"}, "no circuit has id 'zz'"),
        ("verdict-evidence", {"verdict": "zz"}, "the graph has no verdict 'zz'"),
        ("counts-by-family", {"motif": "inductoin"}, "no motif 'inductoin'; near ones are inducti"),
        ("role-depth", {"task": "iou"}, "no task 'iou'; near ones are ioi"),
        ("shared-components", {"model": "gpt2/on"}, "no model 'gpt2/on'; near ones are gpt2/one"),
        ("shared-components", {"model": ""}, "model is ''"),
        (
            "same-part",
            {"model": "gpt2/one", "component": "a2.h0"},
            "'gpt2/one' has no component 'a2.h0': it has layers 0 to 1 with heads 0 to 3",
        ),
        ("same-part", {"model": "gpt2/one", "component": "a1.h4"}, "no component 'a1.h4'"),
    ],
)
def test_what_the_graph_does_not_have_is_said(
    filled: tuple[GraphStore, MadeWorld], name: str, parameters: Params, said: str
) -> None:
    with pytest.raises((NotFoundError, SpecError), match=said):
        ask(filled[0], name, parameters)
