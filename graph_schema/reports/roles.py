"""Who plays which role, in words: behaviour, players with their evidence, what they carry."""

from __future__ import annotations

from graph_schema.documents import RolePlay, RolesPlayed, Transduction
from graph_schema.printable import printable
from graph_schema.reports.tables import fact_lines, number, table

COLUMNS = ("role", "head", "pattern", "effect", "interval", "of gap", "among", "worth", "q")


def roles_text(found: RolesPlayed) -> str:
    """A role test as a terminal shows it: the players in a table, then why others are not."""
    behaviour = found.behaviour
    facts = [
        ("model", f"{found.model.name} ({found.model.fingerprint[:12]})"),
        ("task", f"{found.task}, {found.n_pairs} pairs"),
        (
            "metric",
            f"{found.metric.value}, ablation {found.ablation.kind.value}, seed {found.seed}",
        ),
    ]
    if behaviour is not None:
        worst = min(behaviour.accuracy, key=lambda name: behaviour.accuracy[name])
        facts += [
            (
                "accuracy",
                f"{behaviour.worst:.2f} on {worst}, the worst of {len(behaviour.accuracy)}",
            ),
            (
                "gap",
                f"{number(behaviour.gap)} [{number(behaviour.gap_low)}, "
                f"{number(behaviour.gap_high)}] lost with everything ablated",
            ),
        ]
        if behaviour.reason:
            facts.append(("untestable", behaviour.reason))
    parts = [fact_lines(facts)]
    if players := [play for play in found.ranked if play.passes]:
        gap = behaviour.gap if behaviour else None
        parts.append(table(COLUMNS, [_row(play, gap) for play in players]))
        said = dict.fromkeys(f"{play.role.value}: {play.reason}" for play in players if play.reason)
        parts += ["\n".join(said)] if said else []
    elif found.plays:
        parts.append("no head passes for a role; the nearest:")
        parts.append(
            "\n".join(
                f"  {play.role.value} {play.component}: {play.reason}" for play in _near(found)
            )
        )
    parts += ["\n".join(map(_carried, found.transductions))] if found.transductions else []
    if found.untested and not (behaviour and behaviour.reason):
        reasons = dict.fromkeys(found.untested.values())
        parts.append("\n".join(f"not tested: {_untested(found, why)}: {why}" for why in reasons))
    if found.job_id is not None and found.plays:
        parts.append("effects on discovery pairs; 95 % intervals over groups of pairs")
    parts += [f"note: {printable(note)}" for note in found.notes]
    return "\n\n".join(parts)


def _untested(found: RolesPlayed, why: str) -> str:
    """The roles that one reason kept from being tested."""
    return ", ".join(role.value for role, reason in found.untested.items() if reason == why)


def _row(play: RolePlay, gap: float | None) -> tuple[object, ...]:
    return (
        play.role.value,
        play.component,
        round(play.score, 2),
        play.effect,
        f"[{number(play.ci_low)}, {number(play.ci_high)}]",
        f"{play.effect / gap:.1%}" if gap else None,
        play.kin or None,
        None if play.kin_effect is None or not gap else f"{play.kin_effect / gap:.1%}",
        None if play.q is None else f"{play.q:.1g}",
    )


def _near(found: RolesPlayed) -> list[RolePlay]:
    """The best candidate of each role."""
    best: dict[str, RolePlay] = {}
    for play in found.plays:
        known = best.get(play.role.value)
        if known is None or (play.score, play.worth) > (known.score, known.worth):
            best[play.role.value] = play
    return list(best.values())


def _carried(found: Transduction) -> str:
    others = "" if found.others is None else f", other heads of their layers {found.others:.2f}"
    same = "" if found.same_answer is None else f", same answer {found.same_answer.text}"
    return (
        f"{found.role.value} heads carry {found.moved.text} of a swap to another answer{same}"
        f"{others}; it comes first on {found.accuracy:.0%} of {found.n_prompts} prompts"
    )
