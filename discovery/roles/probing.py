"""Which probes a model, its vocabulary and the task allow, and why some roles have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from discovery.evaluation.session import Session
from discovery.roles import names, probes
from discovery.roles.behaviour import repeats_answer
from discovery.roles.names import Named
from discovery.roles.probes import OF_NAMES, REPEATED, Condition
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import RoleName, TaskData
from graph_schema.documents.jobs import RolesSpec
from graph_schema.errors import DatasetError


@dataclass(frozen=True)
class Probed:
    """The conditions that roles are read on, and why some roles cannot be.

    Among `conditions` are `repeats`, of random tokens, and `prompts` about names. `answers_repeat`:
    the task's answers are what followed the last token's earlier copy.
    """

    conditions: tuple[Condition, ...]
    repeats: tuple[Condition, ...]
    prompts: Mapping[str, tuple[Named, ...]]
    answers_repeat: bool
    vocabulary: Vocabulary
    untested: Mapping[RoleName, str]


def probed(spec: RolesSpec, session: Session, vocabulary: Vocabulary) -> Probed:
    """Probes for the roles that are asked for, as far as model, vocabulary and task allow."""
    task = spec.data.task if isinstance(spec.data, TaskData) else None
    untested: dict[RoleName, str] = {}
    conditions: list[Condition] = []
    prompts: dict[str, tuple[Named, ...]] = {}
    ahead = session.experiment.adapter.bidirectional
    repeats: tuple[Condition, ...] = ()
    try:
        repeats = probes.repeats(task, vocabulary, spec.probes, spec.seed)
        conditions += repeats
    except DatasetError as error:
        untested |= dict.fromkeys(REPEATED, str(error))
    about_names = all(
        set(names.PLACES_NAMED) <= pair.spans.keys() for pair in session.pairs.discovery
    )
    if not about_names:
        named = ", ".join(names.PLACES_NAMED)
        reason = (
            f"the task's prompts do not name {named} (spans), as those of task 'ioi' do: there is "
            "nobody to move"
        )
        untested |= dict.fromkeys(OF_NAMES, reason)
    else:
        try:
            prompts = names.named(vocabulary, spec.probes, spec.seed)
            conditions += names.conditions(prompts)
        except DatasetError as error:
            untested |= dict.fromkeys(OF_NAMES, str(error))
    if task is not None and task.name != "induction" and not about_names:
        own = probes.templates(task, vocabulary, spec.probes, spec.seed)
        conditions += [own] if own else []
    if ahead:
        reason = "the model looks ahead too (bidirectional); the role is of one that looks back"
        looking_back = frozenset(RoleName) - {RoleName.PREVIOUS_TOKEN}
        untested |= dict.fromkeys(looking_back, reason)
    asked = {role: untested[role] for role in spec.roles if role in untested}
    of_tokens = tuple(each for each in repeats if each.name.startswith("period"))
    repeated = repeats_answer(session.pairs.discovery, vocabulary)
    return Probed(tuple(conditions), of_tokens, prompts, repeated, vocabulary, asked)
