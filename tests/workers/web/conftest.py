"""Pages over one stored graph, asked in this process; a browser's own tests are marked so."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from graph_schema.documents import Annotation, CircuitDocument
from graph_schema.documents.remark import Remark
from graph_schema.models.layout import Layout
from graph_schema.store import GraphStore
from graph_schema.store.records.annotations import write_annotation
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.remarks import write_remarks
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.servers.java import JavaServer
from tests.factories import made_edges, make_circuit, make_model
from tests.findings import roles_played
from tests.servers import EMPTY
from workers.client import CircuitClient
from workers.settings import Settings
from workers.web.access import Access
from workers.web.app import make_app
from workers.web.gate import Gate
from workers.web.serving import LOOPBACK
from workers.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = b"k" * 32
COOKIE = "circuits-8765"
HERE = "http://127.0.0.1:8765"
FOREIGN = "<script>alert('foreign')</script>"
"""Text of others that would do something, were it not escaped."""


@dataclass(frozen=True)
class Atlas:
    """A graph with three circuits, and the application over it."""

    client: CircuitClient
    access: Access
    app: Gate
    induction: CircuitDocument
    wide: CircuitDocument
    foreign: CircuitDocument

    def visitor(self) -> TestClient:
        """A browser that has not been let in."""
        return TestClient(
            self.app, base_url=HERE, raise_server_exceptions=False, follow_redirects=False
        )

    def browser(self) -> TestClient:
        """One that has been."""
        visitor = self.visitor()
        assert visitor.get(f"/enter?word={self.access.invite()}").status_code == 200
        return visitor

    def form(self, browser: TestClient, **fields: str) -> dict[str, object]:
        """What a form of a page sends: its fields, its token, where it is from."""
        token = self.access.form_token(browser.cookies[COOKIE])
        return {"data": {"token": token, **fields}, "headers": {"origin": HERE}}


@pytest.fixture(scope="module")
def atlas(arcadedb: JavaServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[Atlas]:
    address = arcadedb.address
    settings = Settings(home=tmp_path_factory.mktemp("web") / "home").at(address)
    wide_model = make_model(
        "made/wide", n_layers=6, n_heads=8, n_edges=Layout(6, 8, parallel=False).n_edges
    )
    induction = make_circuit(job="induction")
    wide = make_circuit(
        made_edges(150, n_layers=6, n_heads=8, seed=5), model=wide_model, job="wide", task="made"
    )
    foreign = make_circuit(model=make_model(FOREIGN), job="foreign", task=FOREIGN, notes=(FOREIGN,))
    with GraphStore(address) as store:
        store.migrate()
        store.write(lambda tx: tx.run(EMPTY).consume())
        for circuit in (induction, wide, foreign):
            store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
        played = roles_played(induction.model)
        store.write(lambda tx: write_roles(tx, played))
        for kind in ("label", "note"):
            said = Annotation.model_validate(
                {
                    "circuit_id": foreign.circuit_id,
                    "component": "a1.h2",
                    "author": FOREIGN,
                    "text": FOREIGN,
                    "kind": kind,
                }
            )
            store.write(lambda tx, said=said: write_annotation(tx, said))
        note = Remark(
            on="circuit", id=foreign.circuit_id, kind="note", text=FOREIGN, author=FOREIGN
        )
        store.write(lambda tx: write_remarks(tx, [note]))
    with CircuitClient(settings=settings) as client:
        access = Access(KEY)
        app = make_app(Site(client, access), LOOPBACK, COOKIE)
        yield Atlas(client, access, app, induction, wide, foreign)


@pytest.fixture
def browser(atlas: Atlas) -> TestClient:
    """A browser that has been let in."""
    return atlas.browser()


@pytest.fixture(scope="module")
def chrome() -> Generator[Browser]:
    """Not for longer than its tests: its event loop keeps others from running one."""
    from tests.workers.web.chrome import running_chrome

    with running_chrome() as browser:
        yield browser
