"""Questions to the graph: the named ones with their parameters, and a reader's own Cypher.

Both go by what a user's query goes by everywhere: the guard, the reading login, the limits of time,
rows and bytes. What is asked stands in the address.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from inspect import cleandoc
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from graph_schema.errors import CircuitServiceError, CypherError, ResourceError, SpecError
from graph_schema.store.questions.ask import find_question
from graph_schema.store.questions.catalogue import QUESTIONS
from graph_schema.store.user_cypher.guard import guard
from graph_schema.store.vocabulary.data_model import NODE_KINDS
from workers.results.rows import Rows
from workers.web.answer_drawing import AnswerDrawing, answer_drawing
from workers.web.pages import address
from workers.web.site import Site
from workers.web.taking import call, with_client

log = logging.getLogger(__name__)
MOST_SHOWN = 500
AT_ONCE = 3
"""Queries of readers that the server runs together; a graph has other things to do."""
PARAMETER = "p."

_asking = threading.BoundedSemaphore(AT_ONCE)
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Asked:
    """What the address asks: a named question or a query, with the texts of its parameters."""

    question: str
    query: str
    texts: Mapping[str, str]

    @classmethod
    def of(cls, request: Request) -> Asked:
        given = request.query_params
        texts = {
            name.removeprefix(PARAMETER): value
            for name, value in given.items()
            if name.startswith(PARAMETER)
        }
        return cls(given.get("question", ""), given.get("q", "").strip(), texts)

    @property
    def is_something(self) -> bool:
        return bool(self.question or self.query)

    @cached_property
    def missing(self) -> list[str]:
        """Parameters of a reader's own query that have no text yet; none of one that is refused."""
        try:
            return sorted(guard(self.query).parameters - self.texts.keys())
        except CypherError:
            return []

    @property
    def texts_given(self) -> dict[str, str]:
        """Those parameters that have a value."""
        return {name: text for name, text in self.texts.items() if text}

    @property
    def fields(self) -> dict[str, str]:
        """The same as the address has it."""
        said = {f"{PARAMETER}{name}": value for name, value in self.texts.items()}
        return {"question": self.question, "q": self.query, **said}


def show(site: Site, request: Request) -> Response:
    """The page: what can be asked, what was, and the answer."""
    asked = Asked.of(request)
    question = QUESTIONS.get(asked.question)
    rows, refusal, status = None, "", 200
    if asked.is_something and _is_complete(asked):
        try:
            rows = answer(site, asked)
        except CircuitServiceError as error:
            refusal, status = str(error), 503 if error.retryable else 400
    return site.page(
        request,
        "cypher.html",
        status,
        asked=asked,
        question=question,
        questions=list(QUESTIONS.values()),
        cypher=cleandoc(question.cypher) if question else asked.query,
        parameters=sorted({*asked.missing, *asked.texts}) if asked.query else [],
        rows=rows,
        shown=rows.rows[:MOST_SHOWN] if rows else (),
        drawn=_drawn(rows) if rows else None,
        refusal=refusal,
        link=link,
        examples=[kind for kind in NODE_KINDS if kind.example],
        csv=address("/cypher.csv", asked.fields),
        code=_code(asked) if asked.is_something else None,
    )


def as_csv(site: Site, request: Request) -> Response:
    """The whole answer as a file."""
    rows = answer(site, Asked.of(request))
    headers = {"content-disposition": 'attachment; filename="answer.csv"'}
    return Response(rows.to_csv() + "\n", media_type="text/csv; charset=utf-8", headers=headers)


def answer(site: Site, asked: Asked) -> Rows:
    """The answer to what was asked, within the limits.

    Raises:
        SpecError: It asks nothing, or is refused; the message says what and why.
        ResourceError: Others are asking.
    """
    if not asked.is_something:
        raise SpecError("no query: write one, or choose a question")
    with _taking_turns():
        if asked.question:
            find_question(asked.question)
            return site.client.query(asked.question, **asked.texts_given)
        return site.client.cypher(asked.query, **{n: _value(t) for n, t in asked.texts.items()})


def link(column: str, value: object) -> str | None:
    """Where a value of an answer leads: the page of a circuit or of a job."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        return None
    if "circuit" in column:
        return f"/circuits/{value}"
    return f"/jobs/{value}" if "job" in column else None


def _drawn(rows: Rows) -> AnswerDrawing | None:
    """The drawing of an answer, or none: an answer stands whether or not it can be drawn."""
    try:
        return answer_drawing(rows)
    except Exception:
        log.exception("an answer of %d rows cannot be drawn", len(rows))
        return None


def _is_complete(asked: Asked) -> bool:
    """Whether every parameter that must be given is."""
    if asked.question in QUESTIONS:
        own = QUESTIONS[asked.question].parameters
        return all(asked.texts.get(each.name) for each in own if each.required)
    return not asked.missing


@contextmanager
def _taking_turns() -> Generator[None]:
    if not _asking.acquire(timeout=1.0):
        raise ResourceError(f"{AT_ONCE} queries are being answered; ask again when one has ended")
    try:
        yield
    finally:
        _asking.release()


def _value(text: str) -> Any:
    """JSON where it reads as JSON, else text; lists in lists without end do not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _code(asked: Asked) -> str:
    """The same as Python."""
    if asked.question:
        asking = call("client.query", asked.question, **asked.texts_given)
    else:
        values = {name: _value(text) for name, text in asked.texts.items()}
        asking = call("client.cypher", asked.query, **values)
    return with_client(f"print({asking})")
