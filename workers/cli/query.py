"""Commands that question the graph: `query` by name, `cypher` by pattern, `schema`."""

from __future__ import annotations

import sys
from inspect import cleandoc
from typing import TYPE_CHECKING, Annotated

import typer

from graph_schema.errors import SpecError
from graph_schema.reports import table
from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.options import NO_CIRCUIT, AsJson, assignments, name_and_value, once
from workers.cli.output import emit, emit_json, no_input, say

if TYPE_CHECKING:
    from graph_schema.store.questions.kinds import Parameter, Question
    from workers.client import CircuitClient, Rows

AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


@command(
    "circuits query",
    "circuits query strongest-paths --param circuit=3f2a --param hops=3",
    "circuits query counts-by-family --param motif=induction --csv",
)
def query(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A question; without one, all are listed.",
            autocompletion=suggestions.questions,
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter of the question; repeatable."),
    ] = None,
    show_cypher: Annotated[
        bool, typer.Option("--cypher", help="Print its Cypher, and do not ask.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Ask the graph a question by its name.

    Circuits and verdicts go by their ids or first digits, models by name or fingerprint.
    """
    from graph_schema.store.questions.ask import find_question
    from graph_schema.store.questions.catalogue import QUESTIONS

    one_format(as_json, as_csv)
    if name is None:
        if param or show_cypher or as_csv:
            raise SpecError("no question: give its name; `circuits query` alone lists them")
        _list(list(QUESTIONS.values()), as_json)
        return
    question = find_question(name)
    given = once((name_and_value(text, "--param") for text in param or []), "--param")
    if show_cypher:
        if as_csv:
            raise SpecError("--cypher and --csv cannot go together: leave one out")
        text = cleandoc(question.cypher)
        if as_json:
            emit_json({"name": question.name, "cypher": text})
        else:
            emit(text)
        return
    with connected() as client:
        _answer(client, client.query(name, **given), as_json, as_csv)


def _list(questions: list[Question], as_json: bool) -> None:
    if as_json:
        emit_json(
            [
                {
                    "name": question.name,
                    "answers": question.answers,
                    "parameters": [
                        {
                            "name": each.name,
                            "kind": each.kind.value,
                            "about": each.about,
                            "required": each.required,
                            "default": each.default,
                        }
                        for each in question.parameters
                    ],
                }
                for question in questions
            ]
        )
        return
    parts: list[str] = []
    for question in questions:
        lines = [question.name, f"    {question.answers}"]
        lines += [f"    --param {_usage(each)}  {each.about}" for each in question.parameters]
        parts.append("\n".join(lines))
    emit("\n\n".join(parts))


def _usage(parameter: Parameter) -> str:
    """`circuit=…` where it must be given, `[hops=4]` where it may."""
    if parameter.required:
        return f"{parameter.name}=…"
    default = "…" if parameter.default is None else parameter.default
    return f"[{parameter.name}={default}]"


@command(
    'circuits cypher "MATCH (c:Circuit) RETURN c.circuit_id, c.task, c.faithfulness"',
    "circuits cypher --param task=ioi --csv < query.cypher",
)
def cypher(
    query: Annotated[
        str | None,
        typer.Argument(metavar="[QUERY]", help="From standard input where left out."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Value of $NAME; repeatable."),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Ask the graph in Cypher.

    Queries only read; one that would write, or read files, is refused.
    """
    one_format(as_json, as_csv)
    parameters = assignments(param or [], "--param")
    text = _standard_input() if query is None or query == "-" else query
    with connected() as client:
        _answer(client, client.cypher(text, **parameters), as_json, as_csv)


def one_format(as_json: bool, as_csv: bool) -> None:
    """Return where no more than one is asked for.

    Raises:
        SpecError: Both are.
    """
    if as_json and as_csv:
        raise SpecError("--json and --csv cannot go together: leave one out")


def _answer(client: CircuitClient, found: Rows, as_json: bool, as_csv: bool) -> None:
    if as_json:
        emit_json(found.records())
    elif as_csv:
        emit(found.to_csv(), exact=True)
    else:
        emit(str(found))
        if not found.rows and not client.circuits(limit=1):
            say(NO_CIRCUIT)
    if found.cut_by is not None:
        say(
            f"only the first {len(found):,} rows are shown; narrow the query, add LIMIT, or raise "
            f"CIRCUITS_LIMITS__{found.cut_by.upper()}"
        )


@command("circuits schema")
def schema(as_json: AsJson = False) -> None:
    """Show what the graph holds: labels, relationships, counts, example queries."""
    with connected() as client:
        found = client.schema()
    if as_json:
        emit_json(found.model_dump(mode="json"))
        return
    nodes = [(part.name, part.count, ", ".join(part.properties)) for part in found.nodes]
    relationships = [
        (
            f"({part.sender})-[:{part.name}]->({part.receiver})",
            part.count,
            ", ".join(part.properties),
        )
        for part in found.relationships
    ]
    examples = [
        f"{part.name}: {part.about}\n    {part.example}"
        for part in (*found.nodes, *found.relationships)
        if part.example
    ]
    emit(
        "\n\n".join(
            [
                f"schema version {found.version}",
                table(("label", "count", "properties"), nodes),
                table(("relationship", "count", "properties"), relationships),
                *examples,
            ]
        )
    )


def _standard_input() -> str:
    from graph_schema.store.user_cypher.guard import MAX_LENGTH

    if no_input() or sys.stdin.isatty():
        raise SpecError('no query: write it as an argument, circuits cypher "MATCH …", or pipe it')
    try:
        text = sys.stdin.read(MAX_LENGTH + 1)  # a longer one is refused for its length
    except UnicodeDecodeError as error:
        raise SpecError(
            f"the query on standard input is no text: {error.reason} at byte {error.start}"
        ) from error
    if not text.strip():
        raise SpecError("the query on standard input is empty")
    return text
