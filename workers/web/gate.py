"""What a request must be before a screen sees it, and what every answer says to the browser.

Refused are names that are not ours (DNS rebinding), requests that another page made, whoever has no
session, and bodies that are too large. What comes back may load nothing from elsewhere and run no
script that is not one of our files, whatever foreign text stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.web.access import Access

ENTER = "/enter"
STATIC = "/static/"
_HOST = re.compile(r"(?:(?P<name>[\w.-]+)|\[(?P<address>[\da-fA-F:.]+)\])(?::\d{1,5})?")
MOST_COOKIES = 20
MOST_BYTES = 2**20
"""Of the body of a request."""
MOST_DISCARDED = 2**29
"""Of a body that is refused: a browser hears the answer once it has sent what it wanted to."""

CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: a form's own Origin would then be `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Gate:
    """The outermost part of the application.

    Args:
        app: What is behind it.
        access: Who may come in.
        hosts: Names that the server goes by, without a port, in small letters.
        cookie: The name of the session's cookie.
        refuse: The answer to a request that goes no further: its status, and why.
        larger: Paths of requests that may have a larger body, with how many bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        hosts: Collection[str],
        cookie: str,
        refuse: Callable[[Request, int, str], Response],
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._access = access
        self._refuse = refuse
        self._hosts = frozenset(hosts)
        self._cookie = cookie
        self._larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"a {scope['type']} connection, which nothing here takes")
        request = Request(scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        # Another server of this machine may set a cookie of the same name, which would come first.
        sent = _values(request, self._cookie)
        scope["session"] = session = next(filter(self._access.knows, sent), "")
        if (refusal := self._refusal(request, session)) is not None:
            answer = self._refuse(request, refusal.status_code, refusal.detail)
            large = refusal.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            last = _after_discarding(receive, send_guarded) if large else send_guarded
            await answer(scope, receive, last)
            return
        await self._app(scope, _bounded(receive, self._most(request)), send_guarded)

    def _most(self, request: Request) -> int:
        """Bytes that the request's body may have."""
        return self._larger.get(request.scope["path"], MOST_BYTES)

    def _refusal(self, request: Request, session: str) -> HTTPException | None:
        """Why the request goes no further; None where it may."""
        if request.method not in ("GET", "HEAD", "POST"):
            return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "pages are read, and forms are sent")
        if _name_of(request) not in self._hosts:
            return _refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this server does not go by that name; open it by the address that `circuits web` "
                "printed, or name the host to it: --allow-host NAME",
            )
        if _foreign(request):
            return _refused(HTTPStatus.FORBIDDEN, "another page made this request")
        path = request.scope["path"]  # that of the request's URL has the Host header in it
        if not (path == ENTER or path.startswith(STATIC) or self._access.knows(session)):
            return _refused(HTTPStatus.UNAUTHORIZED, "this browser has not been let in")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most(request):
            return _too_large(self._most(request))
        return None


def _refused(status: HTTPStatus, why: str) -> HTTPException:
    return HTTPException(status.value, why)


def _too_large(most: int) -> HTTPException:
    return _refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the request is larger than {most:,} bytes; larger files are imported on the server's "
        "machine: circuits import FILE",
    )


def _values(request: Request, cookie: str) -> list[str]:
    """What a request has under a cookie's name, at most so many."""
    pairs = (each.strip() for line in request.headers.getlist("cookie") for each in line.split(";"))
    named = (each.partition("=") for each in pairs)
    return [value for name, _, value in named if name == cookie][:MOST_COOKIES]


def _name_of(request: Request) -> str | None:
    """The name that the browser asked for, without its port; None where it is not `NAME[:PORT]`."""
    given = request.headers.getlist("host")
    found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    return found and (found["name"] or found["address"]).lower()


def _foreign(request: Request) -> bool:
    """Whether a page of another origin made it; a person who follows a link did not.

    Browsers say where a form comes from: one that says nothing is not taken.
    """
    origin, writes = request.headers.get("origin"), request.method == "POST"
    if origin is not None or writes:
        known = {f"{scheme}://{request.headers.get('host')}" for scheme in ("http", "https")}
        if origin not in known:
            return True
    site = request.headers.get("sec-fetch-site", "none")
    if site in ("same-origin", "none"):
        return False
    return writes or request.headers.get("sec-fetch-mode") != "navigate"


def _bounded(receive: Receive, most: int) -> Receive:
    """What comes in, up to so many bytes: a length that was said may be a lie, or missing."""
    came = 0

    async def receive_bounded() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise _too_large(most)
        return message

    return receive_bounded


def _after_discarding(receive: Receive, send: Send) -> Send:
    """Sends an answer at once, and ends it when what the browser still sends has come or is enough.

    A connection that is closed under what a browser sends is an error to it, and not an answer.
    """

    async def send_and_discard(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        came, more = 0, True
        while more and came < MOST_DISCARDED:
            got = await receive()
            came += len(got.get("body", b""))
            more = got["type"] == "http.request" and got.get("more_body", False)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_and_discard
