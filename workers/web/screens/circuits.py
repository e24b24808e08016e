"""The list of circuits: filtered, a page at a time, the newest first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from graph_schema.store.records.circuit_list import CircuitFilter, stored_names
from workers.requests.checking import validated
from workers.web.pages import address, whole
from workers.web.site import Site

PAGE = 50
FILTERS = ("task", "model", "method", "min_faithfulness", "max_edges")


def show(site: Site, request: Request) -> Response:
    """Circuits that pass the filter, with where the list goes on."""
    asked = dict(request.query_params)
    given = {name: asked.get(name, "").strip() for name in FILTERS}
    skip = whole(asked.get("skip"))
    said = {name: value for name, value in given.items() if value}
    wanted = validated(CircuitFilter, {**said, "limit": PAGE + 1, "skip": skip})
    found = site.service.circuits(wanted)
    before = {**given, "skip": max(0, skip - PAGE)} if skip else None
    after = {**given, "skip": skip + PAGE} if len(found) > PAGE else None
    return site.page(
        request,
        "circuits.html",
        circuits=found[:PAGE],
        first=skip + 1,
        given=given,
        names=stored_names(site.service.store),
        before=None if before is None else address("/circuits", before),
        after=None if after is None else address("/circuits", after),
    )
