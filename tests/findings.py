"""Made findings: roles, role graphs, alignments, verdicts, annotations, easy to vary."""

from __future__ import annotations

from collections.abc import Sequence

from graph_schema.comparing.protocols import default_protocol
from graph_schema.documents import (
    AblationSpec,
    Alignment,
    Annotation,
    Channel,
    ControlShare,
    FamilyTally,
    Metric,
    ModelDocument,
    ModelFinding,
    MotifResult,
    MotifState,
    MotifTest,
    NullModel,
    Outcome,
    RoleGraph,
    RoleName,
    RoleNode,
    RolePlay,
    RolesPlayed,
    Rung,
    RungFinding,
    RungState,
    SuperEdge,
    Tally,
    Verdict,
    sha256_hex,
)
from graph_schema.documents.specificity import RandomSets, RoleDrop, Specificity, TaskMeasured
from graph_schema.documents.universality import UniversalityReport
from graph_schema.motifs import find_motif
from tests.factories import make_dataset, make_model

Plays = Sequence[tuple[str, str, float, bool]]

INDUCTION_PLAYS: Plays = (
    ("a0.h1", "previous_token", 1.25, True),
    ("a0.h2", "previous_token", 0.25, False),
    ("a1.h2", "induction", 2.0, True),
)
"""Component, role, effect, and whether it passes, as `make_circuit` has them."""


def _measured(model: ModelDocument | None, task: str) -> dict[str, object]:
    return {
        "model": model or make_model(),
        "task": task,
        "task_id": sha256_hex(task),
        "dataset_sha256": make_dataset().sha256,
        "metric": Metric.LOGIT_DIFF,
        "ablation": AblationSpec(),
        "n_pairs": 64,
        "seed": 0,
    }


def play(component: str, role: str, effect: float, passes: bool = True) -> RolePlay:
    return RolePlay(
        component=component,
        role=RoleName(role),
        scores={"period_5": 0.6, "period_9": 0.55, "period_13": 0.7},
        effect=effect,
        ci_low=effect - 0.25,
        ci_high=effect + 0.25,
        control=0.05,
        control_sets=21,
        q=0.001 if passes else 0.5,
        passes=passes,
        reason="" if passes else "its interval reaches the floor",
    )


def roles_played(
    model: ModelDocument | None = None, plays: Plays = INDUCTION_PLAYS, task: str = "induction"
) -> RolesPlayed:
    """Role tests of one model."""
    fields = _measured(model, task)
    return RolesPlayed.model_validate(fields | {"plays": tuple(play(*each) for each in plays)})


def role_graph(model: ModelDocument | None = None, share: float = 0.5) -> RoleGraph:
    """The induction motif's roles, with `share` through the keys."""
    nodes = (
        RoleNode(role=RoleName.PREVIOUS_TOKEN, members=("a0.h1",)),
        RoleNode(role=RoleName.INDUCTION, members=("a1.h2",)),
        RoleNode(role="logits", members=("logits",)),
    )
    by_keys = SuperEdge(
        sender=RoleName.PREVIOUS_TOKEN,
        receiver=RoleName.INDUCTION,
        channel=Channel.K,
        share=share,
        ci_low=share - 0.05,
        ci_high=share + 0.05,
        controls=(
            ControlShare(name="wrong_position", share=0.001, ci_low=-0.002, ci_high=0.004),
            ControlShare(name="v", share=0.05, ci_low=0.01, ci_high=0.09),
        ),
    )
    out = SuperEdge(
        sender=RoleName.INDUCTION,
        receiver="logits",
        channel=Channel.R,
        share=0.9,
        ci_low=0.85,
        ci_high=0.95,
    )
    fields = _measured(model, "induction")
    return RoleGraph.model_validate(fields | {"nodes": nodes, "edges": (by_keys, out)})


def specificity(played: RolesPlayed | None = None) -> Specificity:
    """Two roles of a task on it, one without a control, and a second task that is not done."""
    played = played or roles_played()
    job, other = "1" * 64, "2" * 64
    how = {"metric": Metric.LOGIT_DIFF, "ablation": AblationSpec()}
    own = {"task": played.task, "task_id": played.task_id, "role_test_id": played.role_test_id}
    undone = {"task": "greater_than", "task_id": sha256_hex("greater_than"), "role_test_id": None}
    why = {"reason": "accuracy is 0.12", "no_roles": "accuracy is 0.12"}
    random = RandomSets(mean=0.02, low=-0.01, high=0.09, sets=50, p=1 / 51)
    members = tuple(f"a1.h{i}" for i in range(8))
    rows = (
        {"role": RoleName.DUPLICATE_TOKEN, "members": ("a0.h1",), "sets": 7},
        {"role": RoleName.NAME_MOVER, "members": members, "sets": 50, "random": random},
    )
    share = {"share": 0.41, "ci_low": 0.37, "ci_high": 0.44, "of": job, "on": job}
    return Specificity(
        job_id="d" * 64,
        model=played.model,
        draws=50,
        seed=0,
        tasks=(
            TaskMeasured.model_validate(
                {"roles_job": job, "split": "heldout", "n_pairs": 32} | own | how
            ),
            TaskMeasured.model_validate({"roles_job": other} | undone | why | how),
        ),
        cells=tuple(RoleDrop.model_validate(row | share) for row in rows),
    )


def alignment(one: str, two: str, similarity: float = 0.75) -> Alignment:
    return Alignment(
        circuit_ids=(one, two),
        similarity=similarity,
        ci_low=similarity - 0.05,
        ci_high=similarity + 0.05,
        p=0.001,
        draws=999,
    )


def annotation(circuit_id: str, component: str = "a1.h2", at: int | None = None) -> Annotation:
    return Annotation(
        circuit_id=circuit_id, component=component, author="ada", text="odd on commas", at=at
    )


def motif_test(circuit_id: str) -> MotifTest:
    """Induction, called: it occurs once where its null has 0.1 of it."""
    result = MotifResult(
        circuit_id=circuit_id,
        motif_id=find_motif("induction").motif_id,
        motif="induction",
        null=NullModel.ROLES_PERMUTED,
        observed=1,
        null_mean=0.1,
        null_sd=0.3,
        draws=100,
        distinct=90,
        exact=False,
        p=0.01,
        p_max=0.02,
        q=0.03,
        state=MotifState.CALLED,
    )
    return MotifTest(alpha=0.05, draws=100, seed=0, results=(result,))


def finding(model: ModelDocument, states: str, **evidence: object) -> ModelFinding:
    """`states` has a letter a rung, from the bottom: present, absent, inconclusive, untestable."""
    of = {state.value[0]: state for state in RungState}
    rungs = tuple(
        RungFinding(rung=rung, state=of[letter], reason=f"{rung.value} is {of[letter].value}")
        for rung, letter in zip(Rung, states, strict=False)
    )
    fields = {"fingerprint": model.fingerprint, "family": model.family, "rungs": rungs}
    return ModelFinding.model_validate(fields | evidence)


FOUR = (
    (make_model("gpt2/one"), "ppp"),
    (make_model("gpt2/two"), "ppa"),
    (make_model("llama/one", "llama"), "paa"),
    (make_model("neox/one", "neox"), "auu"),
)


def verdict(
    rung: Rung = Rung.ROLE,
    outcome: Outcome = Outcome.UNDECIDED,
    models: Sequence[ModelFinding] | None = None,
) -> Verdict:
    """Of induction, by default over the four models: two present, one absent, one untestable."""
    found = list(models or [finding(model, states) for model, states in FOUR])

    def states(family: str | None = None) -> list[RungState]:
        mine = [
            each for each in found if family in (None, each.family) and each.counted_with is None
        ]
        return [here.state for each in mine if (here := each.at(rung))]

    families = sorted({each.family for each in found if each.counted_with is None})
    return Verdict(
        motif_id=find_motif("induction").motif_id,
        motif="induction",
        task="induction",
        task_id=sha256_hex("induction"),
        rung=rung,
        outcome=outcome,
        models=tuple(found),
        pooled=Tally.model_validate(Tally.counts(states())),
        families=tuple(
            FamilyTally.model_validate(Tally.counts(states(name)) | {"family": name})
            for name in families
        ),
        scope="made models of three families",
        falsifiers=("one more model in which the role is absent",),
    )


def report(job_id: str, *assumptions: str, verdicts: Sequence[Verdict] = ()) -> UniversalityReport:
    """What a universality job found: verdicts, one by default, without the models' evidence."""
    judged = [each.model_copy(update={"job_id": job_id}) for each in verdicts or (verdict(),)]
    first = judged[0]
    return UniversalityReport(
        job_id=job_id,
        motif=first.motif,
        motif_id=first.motif_id,
        notation="previous_token -k-> induction",
        task=first.task,
        task_id=first.task_id,
        protocol=default_protocol(find_motif("induction")),
        models=(),
        verdicts=tuple(judged),
        assumptions=assumptions,
        stress=None,
        alignment=None,
        alignments=(),
    )
