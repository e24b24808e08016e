"""Two to nine circuits side by side: drawn into one another in a model, role by role across models.

What is compared, and every statistic, is `client.compare`'s; here is where things stand on a page.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from graph_schema.comparing.union import United, UnitedEdge, unite
from graph_schema.documents import Comparison, Scope
from graph_schema.documents.jobs import JobRecord
from graph_schema.errors import CircuitServiceError
from graph_schema.motif_search import known_motifs
from graph_schema.reports.comparison import SCOPES, side_rows
from graph_schema.store import jobs
from workers.requests.roles import roles_of
from workers.results.comparison import Compared
from workers.web.choosing import LEAST, Choice, Chosen, choose
from workers.web.pages import whole
from workers.web.role_columns import Column, RoleColumns, role_columns
from workers.web.role_picture import RolePicture
from workers.web.site import Site
from workers.web.taking import with_client
from workers.web.union_picture import UnionPicture

DRAWN, MOST_DRAWN, LISTED = 150, 600, 100
"""Edges of a union that are drawn where nobody says how many, at most, and in its table."""
STATE = ("part", "node", "edges", "motif", "light")
PARTS = 24
"""Sets of circuits whose own edges are counted in the page."""
MOTIF_OF = {"induction": "induction", "ioi": "indirect_object"}
"""What to measure where a task's motif is known and no other model's role graph says which."""


@dataclass(frozen=True)
class Union:
    """Circuits of one model, or of checkpoints of one run, drawn into one another."""

    members: tuple[Chosen, ...]
    united: United
    shown: tuple[UnitedEdge, ...]
    picture: UnionPicture
    pairs: tuple[tuple[str, str, Comparison], ...]
    listed: tuple[UnitedEdge, ...]


@dataclass(frozen=True)
class Asked:
    """A column of roles that nobody measured: what there is, what to ask for, and how."""

    job: JobRecord | None
    """The roles job that would be asked for, where it was."""
    motif: str | None
    roles_job: str | None
    """One that has ended well: effects alone are missing."""
    command: str
    possible: bool
    why: str = ""


def show(site: Site, request: Request) -> Response:
    """The page, whatever the address names; what is wrong is said above what can be shown."""
    query = request.query_params
    choice = choose(site.service.store, query.getlist("ids"))
    found = _compared(site, choice) if choice.enough else None
    unions, columns, asked = (), None, dict[tuple[str, ...], Asked]()
    if found is not None:
        unions = tuple(_unions(choice, found, request))
        if len({each.circuit.model.identity for each in choice.circuits}) > 1:
            store = site.service.store
            pairs = [(each.letter, each.circuit) for each in choice.circuits]
            columns = role_columns(store, pairs, query.get("motif"), known_motifs(store))
            asked = {
                each.letters: _asked(site, each, columns)
                for each in columns.columns
                if each.graph is None
            }
    state = {name: query.get(name, "").strip() for name in STATE}
    return site.page(
        request,
        "compare.html",
        choice.status,
        choice=choice,
        given={"ids": ",".join(choice.ids), **state},
        found=found.document if found else None,
        scope=SCOPES[found.document.scope] if found else "",
        notes=_notes(found) if found else (),
        rows=side_rows(found.document.sides) if found else (),
        unions=unions,
        columns=columns,
        pictures={each.letters: RolePicture.of(each, columns.roles) for each in columns.columns}
        if columns
        else {},
        asked=asked,
        most_parts=PARTS,
        code=_code(choice, columns),
    )


def ask(site: Site, request: Request, fields: Mapping[str, str]) -> Response:
    """Ask for the roles of a circuit's model on its task, and for the effects of a motif."""
    motif, known = fields.get("motif", ""), fields.get("roles_job", "")
    job = site.client.job(known) if known else site.client.roles_of(fields.get("circuit", ""))
    if motif:
        job = site.client.effects(job.job_id, motif=motif)
    return RedirectResponse(f"/jobs/{job.job_id}", 303)


def _compared(site: Site, choice: Choice) -> Compared:
    """The comparison; that of a page is kept for a minute, for whoever clicks through it."""
    return site.compared.get(choice.ids, lambda: site.service.compare(choice.ids, False))


def _unions(choice: Choice, found: Compared, request: Request) -> list[Union]:
    """Those of the circuits whose nodes are the same things, group by group."""
    n = len(choice.circuits)
    group = list(range(n))
    pairs = dict(zip(combinations(range(n), 2), found.document.pairs, strict=True))
    for (a, b), pair in pairs.items():
        if pair.scope is not Scope.ACROSS_MODELS:
            group = [group[a] if each == group[b] else each for each in group]
    query = request.query_params
    unions: list[Union] = []
    for first in dict.fromkeys(group):
        places = [place for place in range(n) if group[place] == first]
        if len(places) < LEAST:
            continue
        members = tuple(choice.circuits[place] for place in places)
        own = [found.circuits[place] for place in places]
        united = unite(own, [each.letter for each in members])
        node = name if (name := query.get("node", "").strip()) in united.nodes else None
        asked = query.get("part", "").strip()
        if not asked.isdecimal() and not set(asked) <= set(united.letters):
            asked = ""  # it is of another group
        part = [edge for edge in united.edges if _is_in(edge, asked)]
        around = [edge for edge in part if node in (edge.sender, edge.receiver)]
        kept = min(whole(query.get("edges")) or DRAWN, MOST_DRAWN)
        shown = tuple(part[:kept])
        unions.append(
            Union(
                members,
                united,
                shown,
                UnionPicture.of(united, shown, own[0].model.n_layers, node),
                tuple(
                    (choice.circuits[a].letter, choice.circuits[b].letter, pair)
                    for (a, b), pair in pairs.items()
                    if a in places and b in places
                ),
                tuple((around if node else part)[:LISTED]),
            )
        )
    return unions


def _is_in(edge: UnitedEdge, part: str) -> bool:
    """Whether an edge is in exactly these circuits (`AC`), or in exactly so many (`2`)."""
    return not part or edge.which == part or str(len(edge.which)) == part


def _notes(found: Compared) -> tuple[str, ...]:
    document = found.document
    told = (*document.notes, *(note for pair in document.pairs for note in pair.notes))
    return tuple(dict.fromkeys(told))


def _asked(site: Site, column: Column, columns: RoleColumns) -> Asked:
    """How to have the roles of a column that nobody measured."""
    circuit, store = column.circuit, site.service.store
    motif = columns.motif or MOTIF_OF.get(circuit.task or "")
    known = next((row["job_id"] for row in column.measured.tests if row["job_id"]), None)
    if known is not None:
        command = shlex.join(
            ["circuits", "effects", known[:12], "--motif", motif or "MOTIF", "--wait"]
        )
        return Asked(None, motif, known, command, motif is not None)
    # Names come with a file of anybody's, and the command goes into a shell.
    asked = ["--model", circuit.model.name, "--task", circuit.task or "TASK"]
    command = shlex.join(["circuits", "roles", *asked, "--wait"])
    if circuit.job_id is None:
        why = "a file of another tool brought the circuit, so no job says where its model lies"
        return Asked(None, motif, None, command, False, why)
    try:
        job = jobs.get(store, circuit.job_id)
        there = jobs.get_all(store, [roles_of(job).spec.job_id])
    except CircuitServiceError as error:  # its job is gone, or asks for what roles have not
        return Asked(None, motif, None, command, False, str(error))
    return Asked(there[0] if there else None, motif, None, command, True)


def _code(choice: Choice, columns: RoleColumns | None) -> dict[str, str]:
    """What asks for the same elsewhere."""
    if not choice.enough:
        return {}
    ids = ", ".join(f'"{id[:12]}"' for id in choice.ids)
    whole_ids = ", ".join(f"'{id}'" for id in choice.ids)
    code = {
        "Python": with_client(f"found = client.compare({ids})", "print(found)"),
        "Cypher": (
            f"UNWIND [{whole_ids}] AS id\n"
            "MATCH (:Circuit {circuit_id: id})-[:CONTAINS]->(a:CircuitNode)-[e:EDGE]->"
            "(b:CircuitNode)\n"
            "RETURN a.name AS sender, e.channel AS channel, b.name AS receiver, "
            "count(*) AS circuits, collect(id) AS which, collect(e.score) AS scores\n"
            "ORDER BY circuits DESC, sender, receiver, channel LIMIT 500"
        ),
    }
    graphs = [each.graph.role_graph_id for each in columns.columns if each.graph] if columns else []
    if graphs:
        listed = ", ".join(f"'{id}'" for id in graphs)
        code["Cypher of the roles"] = (
            f"UNWIND [{listed}] AS id\n"
            "MATCH (g:RoleGraph {role_graph_id: id})-[:HAS_ROLE]->(a)-[e:CARRIES]->(b)\n"
            "RETURN g.model, a.role, a.members, e.channel, b.role, b.members, e.share, e.ci_low, "
            "e.ci_high, e.direct, e.mediators"
        )
    return code
