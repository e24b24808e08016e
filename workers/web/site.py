"""What every screen has at hand: the client, who may come in, and the templates."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from graph_schema.errors import StoreUnavailable
from graph_schema.json_text import json_text
from graph_schema.reports.drawn_circuit import DrawnCircuit
from workers.client import CircuitClient
from workers.local.service import status
from workers.results.comparison import Compared
from workers.web.access import Access
from workers.web.pace import Paces
from workers.web.pages import make_templates
from workers.web.remembered import Remembered

if TYPE_CHECKING:
    from workers.client.service import Service

MOST_FIELDS = 100


class Site:
    """A client behind pages. Screens run in threads, several at a time.

    Args:
        client: What all of them ask.
        access: Who may come in.
    """

    def __init__(self, client: CircuitClient, access: Access) -> None:
        self.client = client
        self.access = access
        self.drawn = Remembered[DrawnCircuit]()
        self.compared = Remembered[Compared](kept=4, seconds=60)
        """For whoever clicks through a comparison: what is judged or labelled meanwhile counts."""
        self.paces = Paces()
        self._templates = make_templates()
        self._connecting = threading.Lock()

    @property
    def service(self) -> Service:
        """The connected service; whoever comes first connects."""
        with self._connecting:
            return self.client.service

    @property
    def watched(self) -> Service:
        """The same for who only looks on: a local service that was ended stays so.

        Raises:
            StoreUnavailable: A local service would have to be started.
        """
        settings = self.client.settings
        with self._connecting:
            if settings.local and not self.client.connected and not status(settings).answers:
                raise StoreUnavailable(f"the local service of {settings.home} does not run")
            return self.client.service

    def reconnect(self) -> None:
        """Look for the graph anew at the next request: a local one may have come back elsewhere."""
        if self.client.settings.local:
            with self._connecting:
                self.client.close()

    def page(
        self, request: Request, template: str, status: int = 200, /, **values: Any
    ) -> HTMLResponse:
        """A page; its forms carry the token of the browser that asked for it."""
        text = self._templates.get_template(template).render(
            path=request.scope["path"],
            query=dict(request.query_params),
            form_token=self.access.form_token(session_of(request)),
            known=self.access.knows(session_of(request)),
            **values,
        )
        return HTMLResponse(text, status)


def session_of(request: Request) -> str:
    """The session that the gate found; "" where there is none."""
    return request.scope.get("session", "")


def as_json(value: Any, status: int = 200) -> Response:
    """An answer for a script: valid JSON, in which what is not finite is null."""
    return Response(json_text(value), status, media_type="application/json")


def fields_of(body: bytes) -> Mapping[str, str]:
    """The fields of a form, the last of each name.

    Raises:
        HTTPException: It is no form, or has too many fields.
    """
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=bool(body),
            max_num_fields=MOST_FIELDS, errors="strict",
        )  # fmt: skip
    except ValueError as error:
        raise HTTPException(400, "the request's body is no form") from error
    return dict(pairs)
