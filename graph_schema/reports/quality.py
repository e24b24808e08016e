"""How good a circuit is, in words: figures with their intervals, chance, tests, stability."""

from __future__ import annotations

from graph_schema.documents import CircuitEvaluation, Evaluation, Figure, Specificity, Stability
from graph_schema.reports.tables import fact_lines


def figure(value: Figure) -> str:
    """`0.931 [0.872, 0.968]  heldout, 32 pairs in 12 groups`; without a number or interval, why."""
    where = f"{value.split.value}, {value.n} pairs"
    if value.n_groups is not None:
        where += f" in {value.n_groups} {'group' if value.n_groups == 1 else 'groups'}"
    if value.value is None:
        return f"none ({value.reason or f'not measured; {where}'})"
    if value.ci_low is None or value.ci_high is None:
        why = f"; no interval: {value.reason}" if value.reason else ""
        return f"{value.value:.3f}  {where}{why}"
    return f"{value.value:.3f} [{value.ci_low:.3f}, {value.ci_high:.3f}]  {where}"


def evaluation_summary(found: CircuitEvaluation) -> str:
    """What a circuit was judged on, and how good it is there; one fact a line."""
    conditions = f"{found.metric}, ablation {found.ablation.kind}, seed {found.seed}"
    return fact_lines(
        [
            ("evaluation", found.evaluation_id),
            ("circuit", found.circuit_id),
            ("task", f"{found.task}, dataset {found.dataset_sha256}"),
            ("metric", f"{conditions}, {found.dtype}"),
            *headline_facts(found.evaluation),
            *quality_facts(found.evaluation),
            *(("note", note) for note in found.notes),
        ]
    )


def headline_facts(quality: Evaluation) -> list[tuple[str, str]]:
    """Faithfulness on both splits; of features with the share that errors and rest carry."""
    facts = [
        ("faithfulness", figure(quality.faithfulness)),
        ("held out", figure(quality.heldout_faithfulness)),
    ]
    if quality.error_share is not None:
        facts.append(("error, rest", error_share_words(quality.error_share)))
    return facts


def error_share_words(share: Figure) -> str:
    """`34 % [30 %, 38 %] of its effect passes what no named unit writes`, or why there is none."""
    if share.value is None:
        return f"none ({share.reason})"
    bounds = ""
    if share.ci_low is not None and share.ci_high is not None:
        bounds = f" [{share.ci_low:.0%}, {share.ci_high:.0%}]"
    return (
        f"{share.value:.0%}{bounds} of its effect passes errors and rest, not named units; "
        f"{share.split.value}, {share.n} pairs"
    )


def quality_facts(quality: Evaluation) -> list[tuple[str, str]]:
    """What is measured beside the headline."""
    facts = [
        ("complement", figure(quality.complement_faithfulness)),
        ("cmd", figure(quality.cmd)),
        ("cpr", figure(quality.cpr)),
    ]
    if chance := quality.random_circuits:
        facts.append(
            (
                "by chance",
                f"{chance.mean:.3f} [{chance.low:.3f}, {chance.high:.3f}]  faithfulness of "
                f"{chance.n} random circuits of this size ({chance.rule}), discovery",
            )
        )
    return facts + _evidence(quality)


_CHANCE = {
    "walks": "random circuits (walks)",
    "paths": "random circuits (paths)",
    "layer_pairs": "with the same edges per layer pair",
    "activation_difference": "by activation difference",
}


def _evidence(quality: Evaluation) -> list[tuple[str, str]]:
    """What preset `full` adds, a line a fact; nothing for `quick`."""
    facts: list[tuple[str, str]] = []
    if quality.redundant_share is not None:
        facts.append(("redundant", figure(quality.redundant_share)))
    for chance in quality.chance:
        rule = _CHANCE[chance.rule]
        if chance.mean is None or chance.low is None or chance.high is None:
            facts.append(("chance", f"none ({rule}: {chance.reason})"))
        else:
            interval = f" [{chance.low:.3f}, {chance.high:.3f}]" if chance.n > 1 else ""
            facts.append(
                (
                    "chance",
                    f"{chance.mean:.3f}{interval}  {chance.n} {rule}, {chance.n_at_least} at "
                    f"least as faithful, {chance.split.value}",
                )
            )
    if (dealt := quality.specificity) is not None:
        facts.append(("specificity", _specificity(dealt)))
    for test in quality.tests:
        if test.p_value is None or test.power is None:
            facts.append(("test", f"{test.name}: {test.outcome} ({test.reason})"))
        else:
            facts.append(
                (
                    "test",
                    f"{test.name}: {test.outcome}, p {test.p_value:.3g}, n {test.n}, power "
                    f"{test.power:.2f} if {test.power_at}; H0: {test.null}; {test.split.value}",
                )
            )
    if (stable := quality.stability) is not None:
        facts.append(("stability", _stability(stable)))
    return facts


def _specificity(found: Specificity) -> str:
    if found.faithfulness is None:
        return f"none ({found.reason})"
    kept = "" if found.n_kept is None else f" ({found.n_kept} of {found.n_pairs} pairs kept theirs)"
    alike = "" if found.jaccard is None else f", Jaccard {found.jaccard:.2f} with this circuit"
    return (
        f"{found.faithfulness:.3f}  faithfulness of what is found with the answers dealt out "
        f"anew{kept}{alike}, {found.split.value}"
    )


def _stability(stable: Stability) -> str:
    if stable.frequency is None or stable.sign_stability is None:
        return f"none ({stable.reason})"
    overlaps = (
        f", Jaccard {stable.jaccard_halves:.2f} between halves, {stable.jaccard_groups:.2f} "
        "between groups"
        if stable.jaccard_halves is not None and stable.jaccard_groups is not None
        else ""
    )
    return (
        f"edges kept in {stable.frequency:.0%} and of the same sign in "
        f"{stable.sign_stability:.0%} of {stable.draws} resamples of {stable.n_groups} groups"
        f"{overlaps}"
    )
