"""Asks a named question: parameters checked and looked up, then run as a user's query is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, LiteralString, cast

from graph_schema.documents import Component, RoleName, Rung
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.printable import quoted, whole_number
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.catalogue import QUESTIONS
from graph_schema.store.questions.kinds import Parameter, ParameterKind, Question
from graph_schema.store.records.circuits import SHOWN_MATCHES, resolve_circuit
from graph_schema.store.user_cypher.run import LARGEST_INTEGER, LIMITS, QueryResult, run_user_query

LONGEST_TEXT = 1_000

# Models of the same weights are one, whichever of them is named.
_MODELS: LiteralString = """
MATCH (m:Model) WHERE m.name = $given OR m.fingerprint STARTS WITH $given
WITH coalesce(m.weights_sha256, m.fingerprint) AS identity, min(m.fingerprint) AS id
RETURN id ORDER BY id
"""
# A task is its id: a name that several have is none to ask by.
_TASKS: LiteralString = """
MATCH (t:Task) WHERE t.name = $given OR t.task_id STARTS WITH $given
RETURN t.task_id AS id, t.name AS name ORDER BY id
"""
_SIZES: LiteralString = """
MATCH (m:Model {fingerprint: $fingerprint})
RETURN m.name AS name, m.n_layers AS n_layers, m.n_heads AS n_heads
"""
_VERDICTS: LiteralString = """
MATCH (v:Verdict) WHERE v.verdict_id STARTS WITH $given
RETURN v.verdict_id AS id, v.motif AS name ORDER BY id
"""
_NAMES: dict[ParameterKind, LiteralString] = {
    ParameterKind.MODEL: "MATCH (m:Model) RETURN DISTINCT m.name AS name",
    ParameterKind.MOTIF: "MATCH (m:Motif) RETURN DISTINCT m.name AS name",
    ParameterKind.TASK: "MATCH (t:Task) RETURN DISTINCT t.name AS name",
    ParameterKind.VERDICT: "MATCH (v:Verdict) RETURN v.verdict_id AS name LIMIT 20",
}
_BY_ID: dict[ParameterKind, LiteralString] = {
    ParameterKind.MODEL: _MODELS,
    ParameterKind.TASK: _TASKS,
    ParameterKind.VERDICT: _VERDICTS,
}
_FIXED = {ParameterKind.ROLE: RoleName, ParameterKind.RUNG: Rung}


def find_question(name: str) -> Question:
    """The question of this name.

    Raises:
        SpecError: There is none; the message has the near ones.
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpecError(f"the question is {name!r}; expected the name of one (circuits query)")
    if name in QUESTIONS:
        return QUESTIONS[name]
    raise SpecError(f"no question is called {name!r}; {_near(name, QUESTIONS, 'circuits query')}")


def ask(
    store: GraphStore,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    rows: int = LIMITS.query_rows,
    seconds: float = LIMITS.query_seconds,
    size: int = LIMITS.query_bytes,
) -> QueryResult:
    """The answer to a named question, within the limits of a user's query.

    Raises:
        SpecError: No such question or parameter, one that is missing, or not with such a value.
        NotFoundError: The graph has no circuit, model, verdict, motif or task of this name or id.
        CypherError: It takes too long.
    """
    question = find_question(name)
    given = check(question, parameters or {})
    values = {each.name: _looked_up(store, each, given[each.name]) for each in question.parameters}
    _check_components(store, question, values)
    return run_user_query(store, question.cypher, values, rows=rows, seconds=seconds, size=size)


def check(question: Question, given: Mapping[str, Any]) -> dict[str, Any]:
    """The question's parameters, with defaults; what needs the graph is looked up later.

    Raises:
        SpecError: A parameter it does not have, one that is missing or not with such a value.
    """
    known = {each.name: each for each in question.parameters}
    for name in given:
        if name not in known:
            raise SpecError(
                f"question {question.name} has no parameter {name!r}; "
                f"{_near(name, known, f'circuits query {question.name} --help')}"
            )
    values = {name: each.default for name, each in known.items()} | dict(given)
    for name, each in known.items():
        if values[name] is None and each.required:
            raise SpecError(
                f"question {question.name} needs the parameter {name!r}: {each.about} "
                f"(--param {name}=VALUE)"
            )
        if values[name] is not None:
            values[name] = _checked(each, values[name])
    return values


def _checked(parameter: Parameter, value: Any) -> Any:
    kind, name = parameter.kind, parameter.name
    if kind in (ParameterKind.WHOLE, ParameterKind.NUMBER):
        return _number(parameter, value)
    if kind is ParameterKind.TEXT:
        return _text(parameter, value)
    if not isinstance(value, str) or not value:
        raise SpecError(f"parameter {name} is {value!r}; expected the name or id of a {kind.value}")
    if kind in _FIXED:
        choices = [choice.value for choice in _FIXED[kind]]
        if value not in choices:
            raise SpecError(f"parameter {name} is {value!r}; expected one of {', '.join(choices)}")
    if kind is ParameterKind.COMPONENT:
        Component.parse(value)
    return value


def _text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise SpecError(
            f"parameter {parameter.name} is {quoted(value)}; expected text of 1 to {LONGEST_TEXT} "
            "characters"
        )
    return value


def _number(parameter: Parameter, given: Any) -> int | float:
    """A number, also from the text of one."""
    whole = parameter.kind is ParameterKind.WHOLE
    value: object = given
    if isinstance(given, str):
        try:
            value = int(given) if whole else float(given)
        except ValueError:
            value = None
    fits = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise SpecError(
            f"parameter {parameter.name} is {whole_number(value)}; expected an integer of 64 bits "
            f"(int64), at most {LARGEST_INTEGER}"
        )
    if not fits or isinstance(value, bool) or not math.isfinite(cast("float", value)):
        raise SpecError(
            f"parameter {parameter.name} is {quoted(given)}; expected a {parameter.kind.value}"
        )
    number = cast("int | float", value)
    low = -math.inf if parameter.least is None else parameter.least
    high = math.inf if parameter.most is None else parameter.most
    if not low <= number <= high:
        expected = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
        raise SpecError(f"parameter {parameter.name} is {given!r}; expected {expected}")
    return number


def _looked_up(store: GraphStore, parameter: Parameter, value: Any) -> Any:
    """The value as the query wants it: full ids for first digits and for names of models, tasks."""
    kind = parameter.kind
    if value is None or (kind not in _NAMES and kind is not ParameterKind.CIRCUIT):
        return value
    if kind is ParameterKind.CIRCUIT:
        return store.read(lambda tx: resolve_circuit(tx, value))
    if kind in _BY_ID:
        found = store.rows(_BY_ID[kind], given=value)
        if len(found) > 1:
            shown = ", ".join(str(row["id"]) for row in found[:SHOWN_MATCHES])
            more = ", …" if len(found) > SHOWN_MATCHES else ""
            raise NotFoundError(f"{kind.value} {value!r} is ambiguous; give one of: {shown}{more}")
        if found:
            return found[0]["id"]
    names = [str(row["name"]) for row in store.rows(_NAMES[kind])]
    if value in names:
        return value
    raise NotFoundError(f"the graph has no {kind.value} {value!r}; {_near(value, names, None)}")


def _check_components(store: GraphStore, question: Question, values: Mapping[str, Any]) -> None:
    """Components asked for are there in the model asked for, by its numbers of layers and heads."""
    kinds = {each.kind: values[each.name] for each in question.parameters}
    name, fingerprint = kinds.get(ParameterKind.COMPONENT), kinds.get(ParameterKind.MODEL)
    if name is None or fingerprint is None:
        return
    component = Component.parse(name)
    for row in store.rows(_SIZES, fingerprint=fingerprint):
        layers, heads = int(row["n_layers"]), int(row["n_heads"])
        if (component.layer or 0) >= layers or (component.head or 0) >= heads:
            raise NotFoundError(
                f"model {row['name']!r} has no component {name!r}: it has layers 0 to {layers - 1} "
                f"with heads 0 to {heads - 1}"
            )


def _near(name: str, known: Collection[str], listed_by: str | None) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)[:SHOWN_MATCHES]
    if not near:
        return "there is none yet"
    lists = f" (`{listed_by}` lists all)" if listed_by else ""
    return f"near ones are {', '.join(near)}{lists}"
