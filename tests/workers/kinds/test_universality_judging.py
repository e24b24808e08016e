"""What a report says of models, from what was gathered of each: no graph, no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graph_schema.comparing.protocols import default_protocol
from graph_schema.comparing.states import Measurements
from graph_schema.documents import AblationSpec, Outcome, RolesPlayed
from graph_schema.documents.jobs import (
    EffectsSpec,
    MeasuringJobs,
    ModelJobs,
    RolesSpec,
    UniversalitySpec,
)
from graph_schema.documents.universality import UniversalityReport
from graph_schema.reports.universality_tables import title
from tests.factories import INDUCTION_EDGES, make_circuit
from tests.made_universality import DATA, MOTIF, Made, effects_of, played
from workers.kinds.universality_evidence import Gathered, share_with_motif
from workers.kinds.universality_judging import report
from workers.kinds.universality_occurrences import occurrences

WEIGHTS = "5" * 64


def gathered(made: Made, weights: str | None = None) -> Gathered:
    model = made.document.model_copy(update={"weights_sha256": weights})
    roles = RolesSpec.model_validate({"model": {"fingerprint": model.fingerprint}, "data": DATA})
    effects = EffectsSpec.model_validate(
        roles.model_dump(exclude={"kind", "roles", "probes", "method_version"})
        | {"kind": "effects", "motif": MOTIF, "roles_job": roles.job_id}
    )
    ablation = AblationSpec()
    return Gathered(
        fingerprint=model.fingerprint,
        given=made.name,
        model=model,
        main=Measurements(
            played(made, made.how, roles, ablation), effects_of(made, made.how, effects, ablation)
        ),
        stress=None,
        circuits=(make_circuit(INDUCTION_EDGES, model=model),),
        jobs={"roles": roles.job_id, "effects": effects.job_id},
        failures={},
    )


def judged(
    found: Sequence[Gathered], derived: Sequence[tuple[str, str]] = ()
) -> UniversalityReport:
    jobs = tuple(
        ModelJobs(
            fingerprint=each.fingerprint,
            discover="0" * 64,
            main=MeasuringJobs(roles=each.jobs["roles"], effects=each.jobs["effects"]),
        )
        for each in found
    )
    spec = UniversalitySpec(motif=MOTIF, data=DATA, protocol=default_protocol(MOTIF), models=jobs)
    return report(spec, found, derived, None)


def test_copies_and_relatives_are_not_aligned_with_each_other() -> None:
    """Else two copies of one model make any two models more alike."""
    one, copy = (gathered(Made(f"same/{n}", "gpt2", "d"), WEIGHTS) for n in "ab")
    other = gathered(Made("same/c", "llama", "a"))
    apart = judged([one, other])
    assert apart.alignment is not None
    assert len(apart.alignments) == 1
    for found in (
        judged([one, copy, other]),
        judged(
            [one, replace(copy, model=Made("same/b", "gpt2", "d").document), other],
            [(copy.fingerprint, one.fingerprint)],
        ),
    ):
        assert found.alignment is not None
        assert found.alignment.similarity == apart.alignment.similarity
        assert len(found.alignments) == 1


def test_one_model_can_be_asked_alone_and_decides_nothing() -> None:
    found = judged([gathered(Made("alone", "gpt2", "d"))])
    assert title(found) == "induction on induction, in 1 model"
    assert found.alignment is None
    assert {each.outcome for each in found.verdicts} == {Outcome.UNDECIDED}


def test_whether_the_motif_occurs_is_not_known_where_roles_could_not_be_tested() -> None:
    found = gathered(Made("few/tokens", "gpt2", "b"))
    circuits, roles = found.circuits, found.main.roles
    assert roles is not None
    assert share_with_motif(circuits, MOTIF, roles) == 0
    why = {"induction": "too few tokens", "previous_token": "too few tokens"}
    untested = RolesPlayed.model_validate(roles.model_dump() | {"untested": why})
    assert share_with_motif(circuits, MOTIF, untested) is None
    nobody_knows = replace(found, main=Measurements(untested, found.main.graph))
    assert occurrences(MOTIF, [nobody_knows], alpha=0.05, seed=0) is None
