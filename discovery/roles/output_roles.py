"""Which output roles are asked what their heads carry, and on which prompts.

Induction heads carry the task's answer where that is what followed the last token's earlier copy;
elsewhere they do something else, and are not asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from discovery.models import ModelAdapter
from discovery.progress import Report
from discovery.roles.causal import Head
from discovery.roles.probing import Probed
from discovery.roles.transduction import of_names, of_repeats, transduction
from graph_schema.documents import RoleName, Transduction

OUTPUT_ROLES = (RoleName.INDUCTION, RoleName.NAME_MOVER)


def transductions(
    adapter: ModelAdapter,
    players: Mapping[RoleName, Sequence[Head]],
    found: Probed,
    *,
    n: int,
    seed: int,
    chunk: int | None = None,
    progress: Report | None = None,
) -> list[Transduction]:
    """What the heads of each output role carry; none of a role without heads.

    Args:
        adapter: The model.
        players: The heads that pass, by output role.
        found: The probes.
        n: Prompts.
        seed: Of prompts and of other heads.
        chunk: Prompts at a time (default: what fits).
        progress: Told how many are done.
    """
    measured: list[Transduction] = []
    for role, heads in players.items():
        if not heads or (role is RoleName.INDUCTION and not found.answers_repeat):
            continue
        if role is RoleName.INDUCTION:
            swaps = of_repeats(found.repeats, found.vocabulary, n, seed)
        else:
            swaps = of_names(dict(found.prompts), n)
        measured.append(
            transduction(adapter, role, heads, swaps, seed=seed, chunk=chunk, progress=progress)
        )
    return measured
