"""The application: the gate, the screens behind it, and what is said when something goes wrong."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from graph_schema.errors import (
    CircuitServiceError,
    LimitError,
    NotFoundError,
    ResourceError,
    SpecError,
    StoreUnavailable,
)
from workers import static
from workers.machine import known_error
from workers.web.access import SESSION_SECONDS
from workers.web.gate import ENTER, STATIC, Gate
from workers.web.pages import address
from workers.web.screens import (
    atlas,
    circuit,
    circuits,
    compare,
    cypher,
    importing,
    jobs,
    submit,
    verdicts,
)
from workers.web.site import Site, as_json, fields_of, session_of
from workers.web.uploads import FORM_BYTES, Upload, uploaded

Screen = Callable[[Site, Request], Response]
Writing = Callable[[Site, Request, Mapping[str, str]], Response]
Uploading = Callable[[Site, Request, Mapping[str, str], Upload | None], Response]

FIRST = "/atlas"
"""Where a browser begins: what was found where."""

SCREENS: Mapping[str, Screen] = {
    "/atlas": atlas.show,
    "/circuits": circuits.show,
    "/circuits/{circuit}": circuit.show,
    "/circuits/{circuit}/graph.json": circuit.graph,
    "/circuits/{circuit}/picture.svg": circuit.picture,
    "/circuits/{circuit}/file": circuit.take,
    "/compare": compare.show,
    "/verdicts": verdicts.board,
    "/verdicts/{verdict}": verdicts.show,
    "/verdicts/{verdict}/report.html": verdicts.download,
    "/jobs": jobs.board,
    "/jobs/{job}": jobs.show,
    "/submit": submit.show,
    "/cypher": cypher.show,
    "/cypher.csv": cypher.as_csv,
    "/import": importing.show,
}
"""What is read. Screens ask the graph, so each runs in a thread."""

WRITING: Mapping[str, Writing] = {
    "/circuits/{circuit}/annotations": circuit.annotate,
    "/compare/roles": compare.ask,
    "/jobs/{job}/cancel": jobs.cancel,
    "/jobs/{job}/rerun": jobs.rerun,
    "/submit": submit.send,
    "/invitations": lambda site, request, _: invited(site, request),
}
"""What is written. Each takes the token that the page's form carries."""

UPLOADS: Mapping[str, Uploading] = {"/import": importing.store}
"""What takes a file beside, and so a larger request."""


_CIRCUIT = re.compile(r"/circuits/[0-9a-f]{1,64}")
"""Where an address that lets a browser in may lead on to, beside the list of circuits."""


def make_app(site: Site, hosts: tuple[str, ...], cookie: str) -> Gate:
    """The application over a client.

    Args:
        site: What screens have at hand.
        hosts: Names that the server goes by.
        cookie: The name of the session's cookie.
    """
    routes = [
        Route(ENTER, partial(enter, site, cookie), methods=["GET"]),
        Route(f"{STATIC}{{name}}", asset, methods=["GET"]),
        Route("/", home, methods=["GET"]),
        Route("/jobs/events", partial(jobs.events, site), methods=["GET"]),
        *(Route(path, _reading(site, each), methods=["GET"]) for path, each in SCREENS.items()),
        *(Route(path, _writing(site, each), methods=["POST"]) for path, each in WRITING.items()),
        *(Route(path, _uploading(site, each), methods=["POST"]) for path, each in UPLOADS.items()),
    ]
    screens = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: partial(_refused, site),
            CircuitServiceError: partial(_failed, site),
            Exception: partial(_failed, site),
        },
    )
    larger = dict.fromkeys(UPLOADS, importing.most_bytes(site) + FORM_BYTES)
    return Gate(screens, site.access, hosts, cookie, partial(_told, site), larger)


def _reading(site: Site, screen: Screen) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await run_in_threadpool(screen, site, request)

    return answer


def _writing(site: Site, screen: Writing) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        fields = fields_of(await request.body())
        _check_token(site, request, fields)
        return await run_in_threadpool(screen, site, request, fields)

    return answer


def _uploading(site: Site, screen: Uploading) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        async with uploaded(request) as (fields, file):
            _check_token(site, request, fields)
            return await run_in_threadpool(screen, site, request, fields, file)

    return answer


def _check_token(site: Site, request: Request, fields: Mapping[str, str]) -> None:
    if not site.access.may_write(session_of(request), fields.get("token", "")):
        raise HTTPException(403, "the form is not from this browser; load its page again")


async def home(request: Request) -> Response:
    """The first screen: what was found where."""
    return RedirectResponse(FIRST, 303)


def enter(site: Site, cookie: str, request: Request) -> Response:
    """Let a browser in by its word, once."""
    if request.method == "HEAD":  # whoever only looks whether there is a page is not the browser
        raise HTTPException(405, "an address that lets a browser in is opened in it")
    # A page of ours leads on: a browser sends no strict cookie where another page led here.
    to = request.query_params.get("to", "")
    response = site.page(request, "entered.html", to=to if _CIRCUIT.fullmatch(to) else FIRST)
    session = site.access.admit(request.query_params.get("word", ""))
    if session is None:
        if site.access.knows(session_of(request)):  # the same browser has the address open again
            return response
        raise HTTPException(
            403,
            "this address has been used, or is too old: each works once, for a quarter of an hour. "
            "Start `circuits web` again, or make another in a browser that is in",
        )
    response.set_cookie(
        cookie, session, max_age=SESSION_SECONDS, path="/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


def invited(site: Site, request: Request) -> Response:
    """An address for one more browser."""
    word = site.access.invite()
    return site.page(request, "invited.html", address=f"{request.base_url}enter?word={word}")


async def asset(request: Request) -> Response:
    """A file of the table."""
    found = static.ASSETS.get(request.path_params["name"])
    if found is None:
        raise HTTPException(404, "there is no such file")
    # A module that another one names goes by its bare name: that may be another tomorrow.
    own = request.query_params.get("v", "") == static.version(found.name)
    kept = "private, max-age=31536000, immutable" if own else "private, no-cache"
    headers = {"cache-control": kept, "etag": f'"{static.version(found.name)}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(static.content(found.name), media_type=found.media_type, headers=headers)


async def _refused(site: Site, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(site, request, error.status_code, error.detail)


async def _failed(site: Site, request: Request, error: Exception) -> Response:
    known = known_error(error)
    if known is None:
        return _told(site, request, 500, f"{type(error).__name__}: a bug; the terminal shows where")
    if isinstance(known, StoreUnavailable):
        await run_in_threadpool(site.reconnect)
    return _told(site, request, _status(known), str(known))


def _status(error: CircuitServiceError) -> HTTPStatus:
    if isinstance(error, NotFoundError):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, StoreUnavailable | ResourceError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, SpecError | LimitError):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _told(site: Site, request: Request, status: int, message: str) -> Response:
    path: str = request.scope["path"]
    if path.endswith(".json"):
        return as_json({"error": message}, status)
    # A link from elsewhere brings no strict cookie; the same link on a page of ours does.
    away = status == HTTPStatus.UNAUTHORIZED and request.method == "GET"
    # Two at its start would name another server, and so would two with a tab between, which
    # browsers leave out of a link.
    own = "/" + quote(path.lstrip("/\\"), errors="replace")
    again = address(own, dict(request.query_params)) if away else None
    said = HTTPStatus(status)
    return site.page(request, "error.html", status, status=said, message=message, again=again)
