"""The atlas: models by tasks at a glance, by family; an empty cell says so and offers the job."""

from __future__ import annotations

from dataclasses import replace
from inspect import cleandoc

from starlette.requests import Request
from starlette.responses import Response

from graph_schema.documents import RungState
from graph_schema.store.records.overview import FOUND, read_overview
from workers.requests.checking import TASKS
from workers.web.overview import NO_TASK, FamilyRows, Table, put_together
from workers.web.pages import address, whole
from workers.web.site import Site
from workers.web.taking import with_client

MODELS, TASKS_SHOWN = 40, 10
"""Rows and columns of a page."""
FILTERS = ("family", "task", "motif")


def show(site: Site, request: Request) -> Response:
    """The table, narrowed down as the address says, a page of models at a time."""
    asked = request.query_params
    given = {name: asked.get(name, "").strip() for name in FILTERS}
    skip = whole(asked.get("skip"))
    rows = read_overview(site.service.store, given["family"] or None)
    table = put_together(rows, given["motif"] or None)
    tasks = table.tasks
    if given["task"]:  # of a task that nobody asked for, too, it is said that nobody did
        tasks = tuple(t for t in dict.fromkeys((*tasks, *TASKS)) if t == given["task"])
    shown = tasks[:TASKS_SHOWN]
    families = _page(table, skip)
    last = skip + sum(len(each.models) for each in families)
    return site.page(
        request,
        "atlas.html",
        table=table,
        families=families,
        tasks=shown,
        more=tasks[TASKS_SHOWN:],
        given=given,
        no_task=NO_TASK,
        built_in=TASKS,
        first=skip + 1,
        last=last,
        states=[each.value for each in RungState],
        before=address("/atlas", given, skip=max(0, skip - MODELS)) if skip else None,
        after=address("/atlas", given, skip=last) if last < table.models else None,
        code={
            "Cypher": cleandoc(FOUND),
            "Python": with_client(
                'found = client.cypher("""',
                *FOUND.strip().split("\n"),
                '""").to_pandas()',
                "if len(found):",
                '    print(found.pivot(index="fingerprint", columns="task", values="circuits"))',
            ),
        },
    )


def _page(table: Table, skip: int) -> tuple[FamilyRows, ...]:
    """The families with those of their models that the page shows; counts are of all of them."""
    found: list[FamilyRows] = []
    room = MODELS
    for family in table.families:
        models = family.models[skip : skip + room]
        skip = max(0, skip - len(family.models))
        room -= len(models)
        if models:
            found.append(replace(family, models=models))
    return tuple(found)
