"""Patterns spell one way whatever order their nodes are given in, and are motifs."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.documents import Channel, RoleName
from graph_schema.motifs import parse_motif
from graph_schema.motifs.patterns import Pattern, Wires, as_motif, as_yaml, pattern_of, shaped
from graph_schema.motifs.symmetry import automorphisms

ROLES = st.sampled_from([RoleName.INDUCTION, RoleName.NAME_MOVER, RoleName.PREVIOUS_TOKEN])


def spelled(size: int, logits: bool, wires: Wires, roles: list[RoleName]) -> Pattern:
    shape, order = shaped(size, logits, tuple(sorted(wires)))
    return pattern_of(shape, [roles[order[place]] for place in range(shape.n_roles)])


@st.composite
def wirings(draw: st.DrawFn) -> tuple[int, bool, Wires, list[RoleName]]:
    """In one piece: every place is joined to one before it."""
    logits = draw(st.booleans())
    size = draw(st.integers(2, 4))
    pairs = {(draw(st.integers(0, two - 1)), two) for two in range(1, size)}
    pairs |= draw(st.sets(st.sampled_from(list(combinations(range(size), 2)))))
    wires = tuple((one, two, draw(st.sampled_from(Channel))) for one, two in sorted(pairs))
    return size, logits, wires, draw(st.lists(ROLES, min_size=size, max_size=size))


@settings(max_examples=200, deadline=None)
@given(wirings(), st.data())
def test_the_order_of_the_nodes_does_not_matter(
    made: tuple[int, bool, Wires, list[RoleName]], data: st.DataObject
) -> None:
    size, logits, wires, roles = made
    moving = list(range(size - logits))
    to = [*data.draw(st.permutations(moving)), *range(size - logits, size)]
    moved = tuple((to[one], to[two], channel) for one, two, channel in wires)
    others = [roles[to.index(place)] for place in range(size)]
    assert spelled(size, logits, moved, others) == spelled(size, logits, wires, roles)


@settings(max_examples=100, deadline=None)
@given(wirings())
def test_a_pattern_is_a_motif_that_is_read_back(
    made: tuple[int, bool, Wires, list[RoleName]],
) -> None:
    motif = as_motif(spelled(*made))
    assert parse_motif(as_yaml(motif)) == motif
    assert (len(motif.nodes), len(motif.edges)) == (made[0], len(made[2]))


def test_other_roles_or_channels_are_another_pattern() -> None:
    mover, induction = RoleName.NAME_MOVER, RoleName.INDUCTION
    fan = ((0, 2, Channel.R), (1, 2, Channel.R))
    same = [spelled(3, True, fan, roles) for roles in ([mover, induction], [induction, mover])]
    assert same[0] == same[1]
    assert spelled(3, True, fan, [mover, mover]) != same[0]
    assert len(automorphisms(as_motif(same[0]))) == 1
    assert len(automorphisms(as_motif(spelled(3, True, fan, [mover, mover])))) == 2
    by_keys, by_values = (
        spelled(2, False, ((0, 1, channel),), [mover, induction])
        for channel in (Channel.K, Channel.V)
    )
    assert by_keys != by_values
    assert as_motif(by_keys).name != as_motif(by_values).name
