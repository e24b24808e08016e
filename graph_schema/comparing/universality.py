"""From models' states to a verdict: k of n by family, with bounds, and what would overturn it.

Role form (weak) and wiring form (strong) are judged apart. Nothing here measures: states come from
`states.py`, which models count from `relatives.py`, whether families carry the same from
`equivalence.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from graph_schema.comparing.equivalence import equivalence
from graph_schema.comparing.relatives import counted_once, once_each
from graph_schema.documents import (
    FamilyTally,
    ModelFinding,
    Motif,
    Outcome,
    RoleGraph,
    Rung,
    RungState,
    SuperEdge,
    Tally,
    Verdict,
)
from graph_schema.documents.protocol import Protocol
from graph_schema.documents.verdict import ENOUGH, FAMILIES, MODELS_A_FAMILY, Equivalence, bounds

Shares = Mapping[str, Mapping[str, float]]
"""By super-edge's name and model's fingerprint, what it carries."""


def judge(
    rung: Rung,
    found: Sequence[ModelFinding],
    *,
    motif: Motif,
    task: str,
    task_id: str,
    protocol: Protocol,
    shares: Shares | None = None,
    derived: Iterable[tuple[str, str]] = (),
    scope: str = "",
    assumptions: Sequence[str] = (),
    job_id: str | None = None,
) -> Verdict:
    """The verdict on one rung: weak of the role, strong of the wiring, refuted or undecided.

    Args:
        rung: What is judged.
        found: What each model says; the same weights twice count once, the first.
        motif: What is said to be universal.
        task: Name of the task.
        task_id: Its id.
        protocol: By which models were stated.
        shares: What super-edges carry; a strong verdict needs them.
        derived: (model, what it was derived from), as fingerprints: relatives count once.
        scope: Of which models it is said, in addition to their families.
        assumptions: What it rests on.
        job_id: Of the job that judges.
    """
    different, same = once_each(found)
    models = counted_once(different, derived)
    counted = [each for each in models if each.counted_with is None]
    pooled = Tally.model_validate(Tally.counts(_states(counted, rung)))
    families = tuple(
        FamilyTally.model_validate(Tally.counts(_states(mine, rung)) | {"family": name})
        for name, mine in by_family(counted).items()
    )
    agreed: tuple[Equivalence, ...] = ()
    if rung is Rung.WIRING and shares is not None:
        agreed = equivalences(counted, shares, protocol)
    outcome, short = decide(rung, models, pooled, families, agreed)
    return Verdict(
        motif_id=motif.motif_id,
        motif=motif.name,
        task=task,
        task_id=task_id,
        rung=rung,
        outcome=outcome,
        models=tuple(models),
        pooled=pooled,
        families=families,
        scope=" ".join(filter(None, [_scope(pooled, families, models, same), scope])),
        falsifiers=(*short, *falsifiers(rung, outcome, pooled)),
        protocol=protocol,
        over_families=Tally.model_validate(Tally.counts(map(family_state, families))),
        equivalence=agreed,
        assumptions=tuple(assumptions),
        job_id=job_id,
    )


def decide(
    rung: Rung,
    models: Sequence[ModelFinding],
    pooled: Tally,
    families: Sequence[FamilyTally],
    agreed: Sequence[Equivalence],
) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome, and where it is undecided what it falls short of."""
    highs = [(each.high, name) for name, each in _named(pooled, families) if each.high is not None]
    below = [name for high, name in highs if high < ENOUGH]
    if below and rung is not Rung.BEHAVIOUR:
        return Outcome.REFUTED, ()
    short: list[str] = []
    if pooled.low is None or pooled.low < ENOUGH:
        found = "no model could be tested" if pooled.low is None else f"it is {pooled.low:.3f}"
        short.append(f"short of it: a pooled lower bound of at least {ENOUGH:g}; {found}")
    if rung is Rung.WIRING:
        absent = [f for f in models if (here := f.at(rung)) and here.state is RungState.ABSENT]
        if absent:
            names = ", ".join(_called(each) for each in absent)
            short.append(f"short of it: no model without the wiring; {names} lack it")
        enough = [each.family for each in families if each.n >= MODELS_A_FAMILY]
        if len(enough) < FAMILIES:
            short.append(
                f"short of it: {FAMILIES} families of at least {MODELS_A_FAMILY} testable models; "
                f"{len(enough)} of {len(families)} are"
            )
        apart = [each for each in agreed if not each.equivalent]
        short += [f"short of it: families agree on {e.super_edge}; {e.reason}" for e in apart]
        if not agreed:
            short.append("short of it: shares of the super-edges to compare between families")
    if rung is Rung.BEHAVIOUR or short:
        return Outcome.UNDECIDED, tuple(short)
    return (Outcome.STRONG if rung is Rung.WIRING else Outcome.WEAK), ()


def equivalences(
    counted: Sequence[ModelFinding], shares: Shares, protocol: Protocol
) -> tuple[Equivalence, ...]:
    """Whether families agree on each super-edge, over the models that the wiring was tested in."""
    tested = [
        found
        for found in counted
        if (here := found.at(Rung.WIRING)) and here.state is not RungState.UNTESTABLE
    ]
    agreed: list[Equivalence] = []
    for rule in protocol.edges:
        carried = shares.get(rule.name, {})
        values: dict[str, list[float]] = {}
        for found in tested:
            if found.fingerprint in carried:
                values.setdefault(found.family, []).append(carried[found.fingerprint])
        agreed.append(equivalence(rule.name, values, margin=protocol.margin, alpha=protocol.alpha))
    return tuple(agreed)


def shares_of(graphs: Mapping[str, RoleGraph], protocol: Protocol) -> dict[str, dict[str, float]]:
    """What each super-edge carries in each model, by fingerprint; bounds are no shares.

    Where wiring counts from member to member alone, it is what is carried so.
    """
    found: dict[str, dict[str, float]] = {}
    for fingerprint, graph in graphs.items():
        for edge in graph.edges:
            rule = protocol.rule_of(edge)
            if rule is not None and not edge.is_bound:
                share = carried(edge, protocol)
                if share is not None:
                    found.setdefault(rule.name, {})[fingerprint] = share
    return found


def carried(edge: SuperEdge, protocol: Protocol) -> float | None:
    """What a super-edge carries on the paths that the protocol counts; None if not measured."""
    if protocol.path == "any" or edge.receiver == "logits":
        return edge.share
    return None if edge.direct is None else edge.share * edge.direct.share


def by_family(found: Iterable[ModelFinding]) -> dict[str, list[ModelFinding]]:
    """Findings by family, families in the order of their names."""
    families: dict[str, list[ModelFinding]] = {}
    for each in found:
        families.setdefault(each.family, []).append(each)
    return dict(sorted(families.items()))


def family_state(tally: Tally) -> RungState:
    """Present where all testable models are, absent where one is absent."""
    if not tally.n:
        return RungState.UNTESTABLE
    if tally.absent:
        return RungState.ABSENT
    return RungState.INCONCLUSIVE if tally.inconclusive else RungState.PRESENT


def falsifiers(rung: Rung, outcome: Outcome, pooled: Tally) -> tuple[str, ...]:
    """What further models would have to show to overturn the verdict, with numbers."""
    what = "output role" if rung is Rung.ROLE else rung.value
    if outcome in (Outcome.STRONG, Outcome.WEAK):
        lost = _until(lambda more: _low(pooled, absent=more) < ENOUGH)
        return (
            *((f"one model that does the task without this {what}",) * (rung is Rung.WIRING)),
            f"{lost} more models that do the task without this {what}: the pooled lower bound "
            f"falls below {ENOUGH:g}",
            f"a family in which two models do the task and both lack this {what}",
        )
    if outcome is Outcome.REFUTED:
        return (
            f"the counterexamples' {what}, found by the same protocol after all (a measurement "
            "that failed to see it)",
        )
    needed = _until(lambda more: _low(pooled, present=more) >= ENOUGH)
    return (
        f"{needed} more models in which this {what} is present, and none without, would bring the "
        f"pooled lower bound to {ENOUGH:g}",
        f"a family in which two models do the task and both lack this {what} would refute it",
    )


def _until(holds: Callable[[int], bool]) -> int:
    """The smallest number of further models for which `holds`; at most 1000."""
    low, high = 0, 1000
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _low(tally: Tally, *, present: int = 0, absent: int = 0) -> float:
    low, _ = bounds(tally.present + present, tally.absent + absent, tally.inconclusive)
    return 0.0 if low is None else low


def _states(found: Iterable[ModelFinding], rung: Rung) -> list[RungState]:
    return [here.state for each in found if (here := each.at(rung)) is not None]


def _named(pooled: Tally, families: Sequence[FamilyTally]) -> list[tuple[str, Tally]]:
    return [("pooled", pooled), *((each.family, each) for each in families)]


def _called(found: ModelFinding) -> str:
    return f"{found.family} {found.fingerprint[:12]}"


def _scope(
    pooled: Tally,
    families: Sequence[FamilyTally],
    models: Sequence[ModelFinding],
    same: Mapping[str, str],
) -> str:
    n_models = len(models)
    told = [
        f"Over {n_models} model{'s' * (n_models != 1)} of {len(families)} "
        f"famil{'y' if len(families) == 1 else 'ies'} "
        f"({', '.join(each.family for each in families)}), and over no others."
    ]
    if pooled.untestable:
        of = pooled.n + pooled.untestable
        told.append(
            f"{pooled.untestable} of {of} ({pooled.untestable / of:.0%}) could not be tested."
        )
    relatives = sum(each.counted_with is not None for each in models)
    if relatives:
        told.append(f"{relatives} counted with a relative.")
    if same:
        told.append(f"{len(same)} left out for having another's weights.")
    return " ".join(told)
