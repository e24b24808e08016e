"""The pages in chromium, with the network closed but for this machine.

Screenshots of every screen are left in the test's folder, to be looked at.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect

from graph_schema.documents import CircuitDocument
from graph_schema.processes import reserved_port
from graph_schema.reports.arranged_circuit import Group, arranged
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.store.records.packed_edges import read_packed_edges
from tests.workers.tiny import until
from tests.workers.web.chrome import violations, visiting
from tests.workers.web.conftest import COOKIE, FOREIGN, KEY, Atlas
from tests.workers.web.every_screen import read_every_screen, ways
from tests.workers.web.test_screens import _submitted
from workers.web.access import Access
from workers.web.app import make_app
from workers.web.serving import LOOPBACK
from workers.web.site import Site

pytestmark = [pytest.mark.needs_browser, pytest.mark.slow]


class Served:
    """The application on a port, to be stopped and started again."""

    def __init__(self, atlas: Atlas, port: int) -> None:
        self.atlas = atlas
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.start()

    def start(self) -> None:
        """A server as a new process would be: of what went before it knows the key alone."""
        self.access = Access(KEY)
        app = make_app(Site(self.atlas.client, self.access), LOOPBACK, COOKIE)
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self.port,
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        until(lambda: self._server.started)

    def entrance(self) -> str:
        """Lets one browser in."""
        return f"{self.url}/enter?word={self.access.invite()}"

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def served(atlas: Atlas) -> Generator[Served]:
    with reserved_port() as port:
        served = Served(atlas, port)
        yield served
        served.stop()


def _screens(atlas: Atlas) -> dict[str, str]:
    own = f"/circuits/{atlas.wide.circuit_id}"
    return {
        "circuits": "/circuits",
        "circuit": f"{own}?node={atlas.wide.nodes_in_order[7]}",
        "foreign": f"/circuits/{atlas.foreign.circuit_id}?node=a1.h2",
        "jobs": "/jobs",
        "job": f"/jobs/{_submitted(atlas, 70)}",
        "submit": "/submit",
        "import": "/import",
        "cypher": "/cypher?q=MATCH (m:Model) RETURN m, m.name AS name",
        "answer": "/cypher?q=MATCH (a)-[e:EDGE]->(b) RETURN a, e, b LIMIT 30",
        "question": "/cypher?question=strongest-paths",
        "error": "/circuits/ffff",
    }


@ways
def test_every_screen_reads_and_passes_the_accessibility_check(
    atlas: Atlas,
    served: Served,
    chrome: Browser,
    tmp_path: Path,
    scheme: str,
    width: int,
    scripts: bool,
) -> None:
    way: dict[str, Any] = {"scheme": scheme, "width": width, "scripts": scripts}
    read_every_screen(chrome, served.url, served.entrance(), _screens(atlas), tmp_path, **way)


def test_a_node_is_chosen_by_keys_by_pointer_and_by_the_address(
    atlas: Atlas, served: Served, chrome: Browser
) -> None:
    own = f"{served.url}/circuits/{atlas.induction.circuit_id}"
    with visiting(chrome, served.entrance()) as page:
        page.goto(own)
        canvas = page.locator("#drawing[data-ready=yes] canvas.below")
        canvas.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        panel = page.locator("#node")
        expect(panel).to_contain_text("input")
        expect(page).to_have_url(re.compile(r"\?node=input$"))
        panel.get_by_role("link", name="a1.h2").first.click()
        expect(page).to_have_url(re.compile(r"\?node=a1.h2$"))
        expect(panel.locator("h2")).to_contain_text("a1.h2")
        page.go_back()
        expect(panel.locator("h2")).to_contain_text("input")
        page.locator("#prune input[type=range]").fill("0")
        expect(page).to_have_url(re.compile("edges=1"))
        expect(page.locator("#strongest")).to_contain_text("the strongest 1 of 7")
        expect(panel).to_contain_text("Out of it 0")


def _siblings(circuit: CircuitDocument) -> tuple[str, str]:
    """Two heads that write to the same input of a third."""
    first: dict[tuple[str, str], str] = {}
    for edge in circuit.edges:
        there = first.setdefault((edge.receiver, edge.channel), edge.sender)
        if there != edge.sender and there.startswith("a") and edge.sender.startswith("a"):
            return there, edge.sender
    raise AssertionError("no two heads have a receiver in common")


def test_nodes_are_pinned_and_grouped_and_the_link_carries_it(
    atlas: Atlas, served: Served, chrome: Browser, tmp_path: Path
) -> None:
    own = f"{served.url}/circuits/{atlas.wide.circuit_id}"
    one, two = _siblings(atlas.wide)
    # Colours that are still on their way from light to dark have no contrast of their own.
    with visiting(chrome, served.entrance(), reduced_motion="reduce") as page:
        page.goto(f"{own}?node={one}&edges=5")
        canvas = page.locator("#drawing[data-ready=yes] canvas.below")
        expect(canvas).to_be_visible()
        page.locator("#node").get_by_role("link", name="pin it").click()
        expect(page.locator("#held .pins")).to_contain_text(one)
        expect(page.locator("#node")).to_contain_text("let go of it")
        page.locator("#node").get_by_role("link", name="close").click()
        page.locator("[name=node][list]").fill(two)
        page.get_by_role("button", name="Look").click()
        expect(page.locator("#node h2")).to_contain_text(two)
        page.locator("#node").get_by_role("link", name="pin it").click()
        expect(page.locator("#held .pins li")).to_have_count(2)
        page.locator("[name=called]").fill(FOREIGN)
        page.get_by_role("button", name="Make one of them").click()
        group = page.locator("#held .groups li")
        expect(group).to_contain_text(FOREIGN)
        page.locator("#prune input[type=range]").fill("1000")
        # A link that is put in the place of another while it is pressed is not clicked.
        expect(page.locator("#strongest h2")).not_to_contain_text("strongest 5 of")
        group.get_by_role("link").first.click()
        panel = page.locator("#node")
        expect(panel.locator("h2")).to_contain_text(f"{FOREIGN} group of 2")
        expect(panel).to_contain_text("sum of 2 edges")
        link = page.url
        assert "group=" in link
        page.screenshot(path=tmp_path / "grouped.png", full_page=True)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == []
        # What the script draws is what the server does.
        drawn = page.evaluate(
            """async () => {
              const { arranged } = await import("/static/arranged.js");
              const { readView } = await import("/static/view.js");
              const place = document.getElementById("drawing");
              const graph = await (await fetch(place.dataset.graph)).json();
              const found = arranged(graph, readView(location.href, graph.senders.length));
              const name = (node) => found.nodes[node];
              const edges = found.senders.map((node, i) => [
                name(node), name(found.receivers[i]), found.channels[i],
                found.counts[i], found.measured[i],
              ]);
              return [edges, found.scores, found.always.map(name)];
            }"""
        )
        edges = read_packed_edges(atlas.client.service.store, atlas.wide.circuit_id)
        circuit = DrawnCircuit.of(edges, atlas.wide.model.n_layers)
        by_server = arranged(circuit, 150, (), (Group(FOREIGN, (one, two)),))
        rows = by_server.drawn.rows(range(len(by_server.counts)))
        assert sorted(map(tuple, drawn[0])) == sorted(
            (row["sender"], row["receiver"], row["channel"], count, row["measured"])
            for row, count in zip(rows, by_server.counts, strict=True)
        )
        assert drawn[1] == pytest.approx([row["score"] for row in rows], rel=1e-2)
        assert drawn[2] == ["group-1"]
        page.go_back()
        expect(panel.locator("h2")).to_contain_text(two)  # as it was before
        group.get_by_role("link", name="take").click()
        expect(page.locator("#held .pins li")).to_have_count(2)
        canvas.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("p")
        expect(page.locator("#held .pins li")).to_have_count(3)
    with visiting(chrome, served.entrance(), java_script_enabled=False) as page:
        page.goto(link)
        expect(page.locator("#held .groups li")).to_contain_text(FOREIGN)
        expect(page.locator("#node h2")).to_contain_text("group of 2")
        size: Any = {"width": 360, "height": 900}
        page.set_viewport_size(size)
        page.screenshot(path=tmp_path / "grouped-360.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_was_asked_is_kept_in_this_browser_until_it_is_cleared(
    atlas: Atlas, served: Served, chrome: Browser
) -> None:
    def asked(page: Page) -> Locator:
        return page.locator("#history li")

    with visiting(chrome, served.entrance()) as page:
        page.goto(f"{served.url}/cypher")
        expect(page.locator("#history")).to_be_hidden()
        foreign = f'RETURN "{FOREIGN}" AS two'
        for query in ("RETURN 1 AS one", foreign, "RETURN 1 AS one", "NONE"):
            page.locator("[name=q]").fill(query)
            with page.expect_navigation():
                page.locator("form", has=page.locator("[name=q]")).locator("button").click()
        expect(asked(page)).to_have_text(["RETURN 1 AS one", foreign])
        page.goto(f"{served.url}/cypher")
        asked(page).nth(1).get_by_role("link").click()
        expect(page.locator("[name=q]")).to_have_value(foreign)
        page.get_by_role("button", name="Clear").click()
        expect(page.locator("#history")).to_be_hidden()
        assert page.evaluate("localStorage.length") == 0
    with visiting(chrome, served.entrance()) as page:
        page.goto(f"{served.url}/cypher")
        expect(page.locator("#history")).to_be_hidden()


def test_a_file_is_dropped_and_drawn_and_one_too_large_is_told_so(
    atlas: Atlas, served: Served, chrome: Browser, tmp_path: Path
) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(100 * 10**6)
    with visiting(chrome, served.entrance(), java_script_enabled=False) as page:
        page.goto(f"{served.url}/import")
        page.locator("#file").set_input_files(large)
        page.get_by_role("button", name="Import").click()
        expect(page.locator("h1")).to_contain_text("Too Large")
        expect(page.locator("main")).to_contain_text("circuits import FILE")
    with visiting(chrome, served.entrance(), accept_downloads=True) as page:
        page.goto(f"{served.url}/circuits/{atlas.wide.circuit_id}?edges=20")
        page.locator("select[name=format]").select_option("csv")
        page.locator("select[name=what]").select_option("shown")
        with page.expect_download() as started:
            page.get_by_role("button", name="Download").click()
        table = started.value.path().read_text()
        assert len(table.splitlines()) == 21
        page.goto(f"{served.url}/import")
        page.locator("#file").set_input_files(large)
        expect(page.locator("#chosen")).to_contain_text("circuits import")
        page.locator("[name=model]").fill(atlas.wide.model.fingerprint[:12])
        page.get_by_role("button", name="Import").click()
        expect(page).to_have_url(f"{served.url}/import")  # it was not sent
        page.evaluate(
            """(text) => {
              const held = new DataTransfer();
              held.items.add(new File([text], "part.csv"));
              document.body.dispatchEvent(
                new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true }));
            }""",
            table,
        )
        expect(page.locator("#chosen")).to_contain_text("part.csv")
        page.get_by_role("button", name="Import").click()
        page.wait_for_url("**/circuits/*")
        expect(page.locator("#strongest h2")).to_contain_text("20 of 20")
        expect(page.locator("#drawing[data-ready=yes]")).to_be_visible()


def test_two_browsers_and_a_server_that_went_away_end_up_the_same(
    atlas: Atlas, served: Served, chrome: Browser
) -> None:
    with visiting(chrome, served.entrance()) as one, visiting(chrome, served.entrance()) as two:
        for page in (one, two):
            page.goto(f"{served.url}/jobs")
            expect(page.locator("#live")).to_have_text("live")
        first = _submitted(atlas, 80)
        for page in (one, two):
            expect(page.locator(f"#job-{first}")).to_have_count(1)
        served.stop()
        missed = [_submitted(atlas, seed) for seed in (81, 82)]
        atlas.client.job(first).cancel()
        served.start()
        for page in (one, two):
            for id in missed:
                expect(page.locator(f"#job-{id}")).to_have_count(1)
            expect(page.locator(f"#job-{first}")).to_contain_text("cancelled")
        rows = [
            page.locator("#board tbody tr").evaluate_all("rows => rows.map((row) => row.id)")
            for page in (one, two)
        ]
        assert rows[0] == rows[1]
        assert len(set(rows[0])) == len(rows[0])


def test_a_board_that_nobody_looks_at_takes_no_connection_and_catches_up(
    atlas: Atlas, served: Served, chrome: Browser
) -> None:
    """A browser opens six to a server: a seventh page that follows would never load."""
    look = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with visiting(chrome, served.entrance()) as page:
        others = [page.context.new_page() for _ in range(6)]
        for other in others:  # the browser of a test calls every page visible
            other.add_init_script("Object.defineProperty(document, 'hidden', { value: true })")
            other.goto(f"{served.url}/jobs")
        page.goto(f"{served.url}/jobs")
        expect(page.locator("#live")).to_have_text("live")
        page.evaluate(look, True)
        id = _submitted(atlas, 90)
        page.wait_for_timeout(2_500)
        expect(page.locator(f"#job-{id}")).to_have_count(0)
        page.evaluate(look, False)
        expect(page.locator(f"#job-{id}")).to_have_count(1)
        expect(page.locator("#live")).to_have_text("live")
