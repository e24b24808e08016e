"""The list of circuits: filtered, a page at a time, the newest first."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from graph_schema.store.records.circuit_list import CONDITIONS, CircuitFilter, stored_names
from workers.requests.checking import validated
from workers.web.choosing import MOST
from workers.web.pages import address, whole
from workers.web.site import Site
from workers.web.taking import call, with_client, written_out

PAGE = 50
ID = re.compile(r"[0-9a-f]{64}")
FILTERS = ("task", "model", "method", "min_faithfulness", "max_edges")


def show(site: Site, request: Request) -> Response:
    """Circuits that pass the filter, with where the list goes on."""
    asked = dict(request.query_params)
    given = {name: asked.get(name, "").strip() for name in FILTERS}
    skip = whole(asked.get("skip"))
    said = {name: value for name, value in given.items() if value}
    wanted = validated(CircuitFilter, {**said, "limit": PAGE + 1, "skip": skip})
    found = site.service.circuits(wanted)
    # What was chosen for a comparison is taken along from page to page.
    chosen = [each for each in asked.get("ids", "").split(",") if ID.fullmatch(each)][:MOST]
    kept = {**given, "ids": ",".join(chosen)}
    before = {**kept, "skip": max(0, skip - PAGE)} if skip else None
    after = {**kept, "skip": skip + PAGE} if len(found) > PAGE else None
    return site.page(
        request,
        "circuits.html",
        circuits=found[:PAGE],
        first=skip + 1,
        given=given,
        chosen=chosen,
        names=stored_names(site.service.store),
        before=None if before is None else address("/circuits", before),
        after=None if after is None else address("/circuits", after),
        here=address("/circuits", kept, skip=skip or None),
        code=_code(wanted),
    )


def _code(wanted: CircuitFilter) -> dict[str, str]:
    """What lists the same circuits elsewhere."""
    said = wanted.model_dump(exclude_defaults=True) | {"limit": PAGE}
    conditions = [written_out(text, said) for name, text in CONDITIONS.items() if name in said]
    return {
        "Cypher": "\n".join(
            [
                "MATCH (c:Circuit) WHERE c.created_at > 0",
                *conditions,
                "RETURN c.circuit_id AS circuit, c.model AS model, c.task AS task, "
                "c.method AS method, c.n_edges AS edges,",
                "  c.faithfulness AS faithfulness, c.heldout_faithfulness AS held_out",
                f"ORDER BY c.created_at DESC, circuit SKIP {wanted.skip} LIMIT {PAGE}",
            ]
        ),
        "Python": with_client(
            f"for each in {call('client.circuits', **said)}:",
            "    print(each.circuit_id, each.model, each.task, each.n_edges, "
            "each.heldout_faithfulness)",
        ),
    }
