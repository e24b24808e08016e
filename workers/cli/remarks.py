"""The commands that say something of a circuit or a job: `note`, `tag`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from graph_schema.documents.remark import Remark
from graph_schema.errors import SpecError
from graph_schema.reports import cell
from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.options import AsJson, Target
from workers.cli.output import emit, emit_json, say
from workers.requests.remarks import checked_note, checked_tag

Author = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who says it (the user who runs this).")
]


@command(
    'circuits note 3f2a "the name mover of layer 9 is missing"',
    "circuits note 3f2a",
    'circuits note 3f2a "the name mover of layer 9 is missing" --remove',
)
def note(
    target: Target,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="At most 2,000 characters, on one line.")
    ] = None,
    author: Author = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the note instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a note on a circuit or a job.

    It stays when the job is done again, and goes with what it is on. Without a text, the notes
    there are.
    """
    _say_or_list(
        target, "note", [] if text is None else [checked_note(text)], author, remove, as_json
    )


@command("circuits tag 3f2a paper draft", "circuits tag 3f2a", "circuits tag 3f2a draft --remove")
def tag(
    target: Target,
    tags: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TAG]...", help="One word each.", autocompletion=suggestions.tags),
    ] = None,
    author: Author = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tags instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tag a circuit or a job; list and jobs take --tag.

    Tags stay when the job is done again, and gc keeps a tagged job. Without one, the tags there
    are.
    """
    _say_or_list(target, "tag", [checked_tag(each) for each in tags or ()], author, remove, as_json)


def _say_or_list(
    target: str,
    kind: Literal["note", "tag"],
    texts: list[str],
    author: str | None,
    remove: bool,
    as_json: bool,
) -> None:
    if remove and not texts:
        raise SpecError(f"--remove wants to know which: circuits {kind} {target} lists them")
    from workers.requests.labels import author_or_user

    author_or_user(author)  # before a service is started for nothing
    with connected(worker=False) as client:
        if remove:
            found = client.remove_remarks(target, kind, *texts)
        elif not texts:
            found = client.remarks(target)
        elif kind == "tag":
            found = client.tag(target, *texts, author=author)
        else:
            found = client.note(target, texts[0], author=author)
    shown = [each for each in found if each.kind == kind]
    if as_json:
        emit_json([each.model_dump(mode="json") for each in shown])
    elif shown:
        emit(remark_lines(shown))
    else:
        say(f"no {kind}")


def remarks_object(remarks: Iterable[Remark]) -> dict[str, Any]:
    """What people say of it, as `job --json` prints it."""
    said = [each.model_dump(mode="json") for each in remarks]
    return {
        "tags": sorted(each["text"] for each in said if each["kind"] == "tag"),
        "notes": [each for each in said if each["kind"] == "note"],
    }


def remark_lines(remarks: Iterable[Remark]) -> str:
    """Tags on one line, then each note with who wrote it when; "" where there is nothing."""
    said = list(remarks)
    tags = sorted(each.text for each in said if each.kind == "tag")
    lines = [f"tags: {', '.join(map(cell, tags))}"] if tags else []
    for each in said:
        if each.kind == "note":
            when = datetime.fromtimestamp((each.at or 0) / 1000).astimezone()
            lines.append(f"note: {cell(each.text)} ({cell(each.author)}, {when:%Y-%m-%d %H:%M})")
    return "\n".join(lines)
