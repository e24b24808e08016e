"""Verdicts: the list of them, and each with the whole report of the job that judged it.

The report is that of `circuits report`, by the same renderer; here each of its queries is a link
into the Cypher screen, which asks it. The file to keep is the one `--format html` writes.
"""

from __future__ import annotations

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from graph_schema.documents.universality import UniversalityReport
from graph_schema.documents.verdict import ENOUGH, Outcome
from graph_schema.reports.universality_html import card_query, universality_body
from graph_schema.reports.universality_tables import title
from graph_schema.store.records.verdicts import PAGE_QUERY, judged_names, verdict_page
from workers.requests.checking import choice
from workers.results.universality import Universality
from workers.web.pages import address, whole
from workers.web.site import Site
from workers.web.taking import with_client, written_out

PAGE = 50
FILTERS = ("motif", "task", "outcome")
LONGEST_QUERY = 20_000
"""Letters of a query that an address may hold; a longer one is shown to be copied."""


def board(site: Site, request: Request) -> Response:
    """Verdicts that pass the filter, the newest first, a page at a time."""
    asked = dict(request.query_params)
    given = {name: asked.get(name, "").strip() for name in FILTERS}
    said = {name: value or None for name, value in given.items()}
    outcome = choice("outcome", Outcome, given["outcome"]) if given["outcome"] else None
    skip, store = whole(asked.get("skip")), site.service.store
    found = verdict_page(
        store,
        motif=given["motif"] or None,
        task=given["task"] or None,
        outcome=outcome,
        skip=skip,
        limit=PAGE + 1,
    )
    return site.page(
        request,
        "verdicts.html",
        verdicts=found[:PAGE],
        given=given,
        names=judged_names(store),
        outcomes=[each.value for each in Outcome],
        here=address("/verdicts", given, skip=skip or None),
        code={"Cypher": written_out(PAGE_QUERY, {**said, "skip": skip, "limit": PAGE})},
        enough=ENOUGH,
        before=address("/verdicts", given, skip=max(0, skip - PAGE)) if skip else None,
        after=address("/verdicts", given, skip=skip + PAGE) if len(found) > PAGE else None,
    )


def show(site: Site, request: Request) -> Response:
    """A verdict with all that it rests on; its id, its job's, or the first digits of either."""
    asked: str = request.path_params["verdict"]
    found = site.client.report(asked)
    id = full_id(found.document, asked)
    if id != asked:
        return RedirectResponse(f"/verdicts/{id}", 303)
    chosen = next((each for each in found.verdicts if each.verdict_id == id), None)
    return site.page(
        request,
        "verdict.html",
        id=id,
        report=found.document,
        heading=title(found.document),
        body=Markup(universality_body(found.document, asking, id)),
        against=address("/cypher", q=_against(found)),
        code={
            "Python": with_client(f'found = client.report("{id}")', "print(found)"),
            "command": f"circuits report {id[:12]} --format html --out report.html",
            "Cypher": card_query(chosen or found.verdicts[0]),
        },
    )


def download(site: Site, request: Request) -> Response:
    """The report as one file that fetches nothing, and prints."""
    found = site.client.report(request.path_params["verdict"])
    name = f"verdict-{full_id(found.document, request.path_params['verdict'])[:12]}.html"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(found.to_html(), media_type="text/html; charset=utf-8", headers=headers)


def asking(query: str) -> str | None:
    """Where a query is asked; None where it is too long for an address."""
    return address("/cypher", q=query) if len(query) <= LONGEST_QUERY else None


def full_id(found: UniversalityReport, prefix: str) -> str:
    """The id of the verdict that starts so, else of the job that judged."""
    ids = [each.verdict_id for each in found.verdicts]
    return next((id for id in ids if id.startswith(prefix)), found.job_id)


def _against(found: Universality) -> str:
    ids = ", ".join(f"'{each.verdict_id}'" for each in found.verdicts)
    return (
        f"UNWIND [{ids}] AS id MATCH (x)-[e:CONTRADICTS]->(v:Verdict {{verdict_id: id}}) "
        "RETURN v.rung, v.path, labels(x), coalesce(x.circuit_id, x.role_graph_id, x.verdict_id) "
        "AS what, x.model, e.reason"
    )
