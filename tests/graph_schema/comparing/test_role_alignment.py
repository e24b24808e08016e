"""How alike role graphs are: by hand, and against permuted roles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from graph_schema.comparing.role_alignment import align, similarity
from graph_schema.documents import RoleGraph
from tests.factories import make_model
from tests.findings import role_graph

ROLES = ("previous_token", "duplicate_token", "induction", "name_mover", "s_inhibition")


def graph_of(name: str, shares: dict[tuple[str, str], float], by: float = 0.02) -> RoleGraph:
    """A role graph with these shares, all through the keys."""
    roles = sorted({role for pair in shares for role in pair})
    edges = [
        {
            "sender": sender,
            "receiver": receiver,
            "channel": "k",
            "share": share,
            "ci_low": share - by,
            "ci_high": share + by,
        }
        for (sender, receiver), share in shares.items()
    ]
    nodes = [{"role": role, "members": ()} for role in roles]
    fields = role_graph(make_model(name)).model_dump() | {"nodes": nodes, "edges": edges}
    return RoleGraph.model_validate(fields)


def chain(name: str, *shares: float) -> RoleGraph:
    pairs = pairwise(ROLES)
    return graph_of(name, dict(zip(pairs, shares, strict=False)))


def test_the_index_is_smaller_by_larger_shares() -> None:
    one, two = role_graph(make_model("a"), 0.5), role_graph(make_model("b"), 0.25)
    assert similarity(one, two) == pytest.approx((0.25 + 0.9) / (0.5 + 0.9))
    assert similarity(one, one) == pytest.approx(1.0)


def test_a_bound_is_no_share_and_negative_shares_are_none() -> None:
    one = role_graph(make_model("a"), 0.5)
    keys, out = one.edges
    for changes in ({"is_bound": True}, {"share": -0.1, "ci_low": -0.2}):
        other = role_graph(make_model("b")).model_copy(
            update={"edges": (keys.model_copy(update=changes), out)}
        )
        assert similarity(one, other) == pytest.approx(0.9 / 1.4)


def test_two_roles_have_too_few_permutations_to_say_anything() -> None:
    found = align([role_graph(make_model(name)) for name in "ab"])
    assert found.exact
    assert (found.draws, found.p) == (2, 0.5)
    assert not found.testable


def test_many_graphs_of_two_roles_have_enough() -> None:
    found = align(
        [role_graph(make_model(name), 0.45 + 0.01 * i) for i, name in enumerate("abcdefg")]
    )
    assert found.exact
    assert found.draws == 2**6
    assert found.p == pytest.approx(1 / 64)
    assert found.ci_low <= found.similarity <= found.ci_high


def test_like_chains_of_five_roles_are_told_from_unlike_ones() -> None:
    alike = align([chain("a", 0.8, 0.6, 0.4, 0.2), chain("b", 0.75, 0.6, 0.45, 0.2)])
    assert alike.testable
    assert alike.p == pytest.approx(1 / 120)
    unlike = align([chain("a", 0.8, 0.6, 0.4, 0.2), chain("b", 0.2, 0.4, 0.6, 0.8)])
    assert unlike.similarity < alike.similarity


def test_wider_intervals_of_shares_make_a_wider_interval() -> None:
    shares = {("previous_token", "induction"): 0.5, ("induction", "name_mover"): 0.6}
    widths = [
        (found := align([graph_of("a", shares, by), graph_of("b", shares, by)])).ci_high
        - found.ci_low
        for by in (0.01, 0.1)
    ]
    assert widths[0] < widths[1]


def test_unrelated_graphs_are_called_alike_in_5_percent_at_most() -> None:
    rng = np.random.default_rng(1)
    runs, called, roles = 200, 0, ROLES[:4]
    places = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    for _ in range(runs):
        graphs: list[RoleGraph] = []
        for name in "ab":
            order = rng.permutation(roles).tolist()  # which role stands where means nothing
            carried = rng.exponential(0.3, len(places)).tolist()
            pairs = [(order[a], order[b]) for a, b in places]
            graphs.append(graph_of(name, dict(zip(pairs, carried, strict=True))))
        called += align(graphs, draws=1).p <= 0.05
    assert called / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
