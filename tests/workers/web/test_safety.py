"""What is refused, and what every answer says to the browser."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from graph_schema.documents import (
    Annotation,
    DatasetData,
    Eap,
    ModelId,
    ModelSource,
    TopEdges,
)
from graph_schema.documents.jobs import DiscoverSpec, ErrorDocument, Placement
from graph_schema.store import jobs
from graph_schema.store.records.annotations import write_annotation
from graph_schema.store.records.circuits import write_circuit
from tests.factories import make_circuit, make_dataset, make_model
from tests.workers.web.conftest import COOKIE, FOREIGN, HERE, KEY, Atlas
from workers import static
from workers.web.access import INVITATION_SECONDS, SESSION_SECONDS, Access, stored_key
from workers.web.app import SCREENS, WRITING
from workers.web.gate import MOST_BYTES

READ = [
    *(
        "/",
        "/atlas",
        "/circuits",
        "/compare",
        "/verdicts",
        "/jobs",
        "/submit",
        "/cypher",
        "/import",
    ),
    *("/cypher.csv?q=RETURN%201", "/jobs/events"),
]


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_an_address_lets_one_browser_in_once(atlas: Atlas) -> None:
    word = atlas.access.invite()
    first, second = atlas.visitor(), atlas.visitor()
    answer = first.get(f"/enter?word={word}")
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert first.get("/circuits").status_code == 200
    refused = second.get(f"/enter?word={word}")
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers
    assert second.get("/circuits").status_code == 401


def test_who_only_looks_at_an_address_does_not_spend_it(atlas: Atlas) -> None:
    word = atlas.access.invite()
    looking = atlas.visitor()
    answer = looking.head(f"/enter?word={word}")
    assert (answer.status_code, "set-cookie" in answer.headers) == (405, False)
    assert atlas.visitor().get(f"/enter?word={word}").status_code == 200


def test_an_address_that_its_own_browser_opens_again_leads_on(atlas: Atlas) -> None:
    word, browser = atlas.access.invite(), atlas.visitor()
    browser.get(f"/enter?word={word}")
    again = browser.get(f"/enter?word={word}")
    assert again.status_code == 200
    assert "set-cookie" not in again.headers
    assert 'content="0;url=/atlas"' in again.text
    assert atlas.visitor().get(f"/enter?word={word}").status_code == 403


def test_a_look_at_the_events_ends(browser: TestClient) -> None:
    answer = browser.head("/jobs/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("to", "leads"),
    [
        ("/circuits/3f2a", "/circuits/3f2a"),
        *((to, "/atlas") for to in ("", "//evil.example", "https://evil.example", "/\\evil")),
        *((to, "/atlas") for to in ("/jobs", "/circuits/../x", "/circuits/a\n", '/"><script>')),
    ],
)
def test_an_address_leads_on_to_a_circuit_or_the_list_and_nowhere_else(
    atlas: Atlas, to: str, leads: str
) -> None:
    answer = atlas.visitor().get("/enter", params={"word": atlas.access.invite(), "to": to})
    assert answer.status_code == 200
    assert f'content="0;url={leads}"' in answer.text
    assert "evil" not in answer.text


@pytest.mark.parametrize("path", READ)
def test_nothing_is_shown_without_a_session(atlas: Atlas, path: str) -> None:
    visitor = atlas.visitor()
    assert visitor.get(path).status_code == 401
    visitor.cookies.set(COOKIE, f"{10**12}.made-up.{'0' * 64}")
    assert visitor.get(path).status_code == 401


def test_every_screen_was_tried_without_a_session() -> None:
    plain = {path for path in SCREENS if "{" not in path}
    assert plain <= {path.partition("?")[0] for path in READ}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_cookie_of_the_same_name_does_not_lock_the_browser_out(
    atlas: Atlas, order: tuple[int, int]
) -> None:
    """Cookies tell no ports apart: another server of the machine may have set one."""
    cookies = (f"{COOKIE}={atlas.access.admit(atlas.access.invite())}", f"{COOKIE}=tossed")
    headers = {"cookie": "; ".join(cookies[place] for place in order)}
    assert atlas.visitor().get("/circuits", headers=headers).status_code == 200
    many = {"cookie": "; ".join([f"{COOKIE}=tossed"] * 2_000)}
    assert atlas.visitor().get("/circuits", headers=many).status_code == 401


def test_words_and_sessions_run_out() -> None:
    clock = Clock()
    access = Access(KEY, clock)
    late, word = access.invite(), access.invite()
    session = access.admit(word)
    assert session is not None
    assert access.knows(session)
    clock.now += INVITATION_SECONDS + 1
    assert access.admit(late) is None
    clock.now += SESSION_SECONDS
    assert not access.knows(session)


def test_a_session_outlives_the_server_and_belongs_to_its_key(tmp_path: Path) -> None:
    key = stored_key(tmp_path / "cache")
    access = Access(key)
    session = access.admit(access.invite())
    assert session is not None
    assert Access(stored_key(tmp_path / "cache")).knows(session)
    assert not Access(stored_key(tmp_path / "other")).knows(session)
    until, nonce, signature = session.split(".")
    assert not access.knows(f"{int(until) + 1}.{nonce}.{signature}")
    assert stat.S_IMODE((tmp_path / "cache" / "web.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8765", "[::2]:8765", "a@127.0.0.1x"],
)
def test_a_name_that_is_not_ours_is_refused(browser: TestClient, host: str) -> None:
    assert browser.get("/circuits", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1/enter?", "127.0.0.1:8765/static/", "localhost#", "127.0.0.1\\enter"),
        *("a@127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:8765:1", "[", "[::1", "::1", ""),
    ],
)
def test_a_host_is_a_name_and_a_port_and_no_part_of_a_path(atlas: Atlas, host: str) -> None:
    """Else it could make another path of what is asked for, one that takes no session."""
    answer = atlas.visitor().get("/circuits", headers={"host": host})
    assert answer.status_code == 421
    assert atlas.wide.circuit_id not in answer.text


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("//evil.example/x", "/evil.example/x"),
        ("/%09/evil.example/x", "/%09/evil.example/x"),
        ("/%0a%0d%5cevil.example/x", "/%0A%0D%5Cevil.example/x"),
        ("/circuits/%3fa%23b%25", "/circuits/%3Fa%23b%25"),
    ],
)
def test_the_way_on_stays_on_this_server(atlas: Atlas, path: str, leads: str) -> None:
    answer = atlas.visitor().get(f"{HERE}{path}")
    assert answer.status_code == 401
    assert f'href="{leads}"' in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:9000", "LOCALHOST", "[::1]:8765"])
def test_the_machines_own_names_are_ours(atlas: Atlas, host: str) -> None:
    session = atlas.access.admit(atlas.access.invite())
    answer = atlas.visitor().get(
        "/circuits", headers={"host": host, "cookie": f"{COOKIE}={session}"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_what_another_page_asks_is_refused(browser: TestClient, headers: dict[str, str]) -> None:
    assert browser.get("/circuits", headers=headers).status_code == 403
    assert browser.get("/circuits", headers={"origin": HERE}).status_code == 200


def test_a_link_from_elsewhere_leads_on_by_one_of_ours(atlas: Atlas) -> None:
    """The browser sends no strict cookie there: the page that says so links to itself."""
    from_elsewhere = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = atlas.visitor().get("/circuits?task=ioi", headers=from_elsewhere)
    assert answer.status_code == 401
    assert 'href="/circuits?task=ioi"' in answer.text


def _posts(atlas: Atlas) -> list[str]:
    values = {"circuit": atlas.induction.circuit_id, "job": "0" * 64}
    return [path.format(**values) for path in WRITING]


@pytest.mark.parametrize("number", range(len(WRITING)))
@pytest.mark.parametrize(
    ("token", "origin", "status"),
    [
        ("", HERE, 403),
        ("0" * 64, HERE, 403),
        ("own", "", 403),
        ("own", "http://evil.example", 403),
        ("own", "null", 403),
        ("another's", HERE, 403),
    ],
)
def test_writing_takes_the_pages_token_and_comes_from_it(
    atlas: Atlas, browser: TestClient, number: int, token: str, origin: str, status: int
) -> None:
    tokens = {
        "own": atlas.access.form_token(browser.cookies[COOKIE]),
        "another's": atlas.access.form_token(atlas.access.admit(atlas.access.invite()) or ""),
    }
    headers = {"origin": origin} if origin else {}
    data = {"token": tokens.get(token, token)}
    path = _posts(atlas)[number]
    assert browser.post(path, data=data, headers=headers).status_code == status


def test_a_form_of_ours_passes(atlas: Atlas, browser: TestClient) -> None:
    sent: dict[str, Any] = atlas.form(browser)
    answer = browser.post("/invitations", **sent)
    assert answer.status_code == 200
    found = re.search(r"/enter\?word=([\w-]+)", answer.text)
    assert found is not None
    assert atlas.visitor().get(found[0]).status_code == 200


@pytest.mark.parametrize("path", ["/circuits", "/cypher", "/jobs"])
def test_reading_does_not_write(browser: TestClient, path: str) -> None:
    assert browser.post(path, headers={"origin": HERE}).status_code in (403, 405)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert browser.request(method, path, headers={"origin": HERE}).status_code == 405


def test_a_large_body_is_refused_whatever_it_says_of_itself(
    atlas: Atlas, browser: TestClient
) -> None:
    sent: dict[str, Any] = atlas.form(browser)
    headers = sent["headers"] | {"content-type": "application/x-www-form-urlencoded"}
    said = browser.post("/submit", content=b"a" * (MOST_BYTES + 1), headers=headers)
    assert said.status_code == 413
    read = 0

    def unsaid() -> Any:  # a hundred megabytes of no length
        nonlocal read
        for _ in range(100):
            read += 2**20
            yield b"a" * 2**20

    answer = browser.post("/submit", content=unsaid(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/circuits", "/nothing/here", "/static/atlas.css", "/enter?word=spent", "/circuits/ffff"],
)
def test_every_answer_is_guarded(browser: TestClient, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    for part in (
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
        "form-action 'self'",
    ):
        assert part in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_refusals_are_guarded_too(atlas: Atlas) -> None:
    for answer in (
        atlas.visitor().get("/circuits"),
        atlas.visitor().get("/circuits", headers={"host": "evil.example"}),
    ):
        assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "name",
    [
        "../app.py", "..%2fapp.py", "%2e%2e/app.py", "..\\app.py", "/etc/passwd", "%2fetc%2fpasswd",
        "atlas.css/../../app.py", "base.html", "", "atlas.css%00.js",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_table_of_files(browser: TestClient, name: str) -> None:
    answer = browser.get(f"/static/{name}")
    assert answer.status_code in (401, 404)
    assert "import" not in answer.text
    assert "root:" not in answer.text


def test_the_files_are_those_of_the_table_and_small() -> None:
    folder = Path(static.__file__).parent / "assets"
    assert {path.name for path in folder.iterdir()} == set(static.ASSETS)
    for asset in static.ASSETS.values():
        assert asset.licence
        if asset.source is not None:
            assert static.digest(asset.name) == asset.sha256
    scripts = [name for name, asset in static.ASSETS.items() if asset.media_type == static.SCRIPT]
    assert sum(len(static.content(name)) for name in scripts) < 150_000


def test_pages_hold_no_script_style_or_address_of_their_own(
    atlas: Atlas, browser: TestClient
) -> None:
    own = f"/circuits/{atlas.induction.circuit_id}"
    pages = ["/circuits", f"{own}?node=a1.h2", "/jobs", "/submit", "/cypher?q=RETURN 1 AS n"]
    pages += ["/import", f"{own}?pin=a1.h2&group=a0.h0,a0.h1+{FOREIGN}&node=group-1"]
    pages += ["/cypher?q=MATCH (a)-[e:EDGE]->(b) RETURN a, e, b LIMIT 20"]
    for page in pages:
        text = browser.get(page).text
        assert re.findall(r"<script(?![^>]*\bsrc=\"/static/)", text) == []
        assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []
        assert re.findall(r"(?:src|href|action)=\"(?!/|#)", text) == []


def test_foreign_text_is_text_everywhere(atlas: Atlas, browser: TestClient) -> None:
    own = f"/circuits/{atlas.foreign.circuit_id}"
    pages = [
        "/circuits",
        own,
        f"{own}?node=a1.h2",
        f"/circuits?task={FOREIGN}",
        f"/jobs?model={FOREIGN}",
        f"/submit?model={FOREIGN}",
        f"/import?model={FOREIGN}",
        f"/cypher?q=RETURN '{FOREIGN}' AS `{FOREIGN}`",
        f"/cypher?q={FOREIGN}",
        f"/cypher?q=RETURN '{FOREIGN}' AS sender, '{FOREIGN}' AS receiver",
        "/cypher?q=MATCH (m:Model) RETURN m, m.name",
        "/circuits/<script>alert(1)",
        f"{own}?node={FOREIGN}",
        f"{own}?pin={FOREIGN}",
        f"{own}?group=a1.h2,a0.h1+{FOREIGN}&node=group-1",
        f"{own}?called={FOREIGN}&members=a1.h2",
    ]
    for page in pages:
        text = browser.get(page).text
        assert "<script>" not in text, page
        assert "alert(" in text, page  # it was there to be escaped
    for part in ("graph.json", "picture.svg"):
        answer = browser.get(f"{own}/{part}")
        assert answer.headers["content-type"].partition(";")[0] in (
            "application/json",
            "image/svg+xml",
        )
        if part == "picture.svg":
            assert "<script" not in answer.text


TURNED = "\u202egnp.exe\u2066"
"""Text that a page would show in another order than it has."""


def test_foreign_text_turns_no_other_text(atlas: Atlas) -> None:
    store = atlas.client.service.store
    circuit = make_circuit(
        model=make_model(f"made/{TURNED}"), job="turned", task=TURNED, notes=(TURNED,)
    )
    store.write(lambda tx: write_circuit(tx, circuit))
    said = {"author": TURNED, "circuit_id": circuit.circuit_id, "text": f"{TURNED}\n{TURNED}"}
    for kind in ("label", "note"):
        remark = Annotation.model_validate({**said, "component": "a1.h2", "kind": kind})
        store.write(lambda tx, remark=remark: write_annotation(tx, remark))
    spec = DiscoverSpec(
        model=ModelId(fingerprint="f" * 64),
        data=DatasetData(sha256=make_dataset().sha256, task=TURNED),
        method=Eap(),
        selection=TopEdges(n_edges=5),
    )
    jobs.submit(store, spec, Placement(model=ModelSource(name=f"/models/{TURNED}")))
    jobs.claim(store, spec.job_id, "t", owner="a", lease=600, max_attempts=3)
    error = ErrorDocument(type="SpecError", message=f"first line\n{TURNED}")
    jobs.fail(store, spec.job_id, "t", error)
    browser, own = atlas.browser(), f"/circuits/{circuit.circuit_id}"
    for page in (
        *(own, f"{own}?node=a1.h2", f"{own}/graph.json", f"{own}/picture.svg", "/circuits"),
        *("/atlas", "/jobs", f"/jobs/{spec.job_id}", "/cypher?q=MATCH (m:Model) RETURN m, m.name"),
        f"/compare?ids={circuit.circuit_id},{atlas.wide.circuit_id}",
    ):
        text = browser.get(page).text
        assert not {"\u202e", "\u2066"} & set(text), page
        assert "gnp.exe" in text or page.endswith((".svg", ".json")), page
    assert "first line\n" in browser.get(f"/jobs/{spec.job_id}").text


@pytest.mark.parametrize(
    "query",
    [
        "CREATE (n:Foreign) RETURN n",
        "MATCH (n) DETACH DELETE n",
        "LOAD CSV FROM 'file:///etc/passwd' AS row RETURN row",
        "CALL dbms.listConfig()",
    ],
)
def test_cypher_stays_guarded(browser: TestClient, query: str) -> None:
    answer = browser.get("/cypher", params={"q": query})
    assert answer.status_code == 400
    assert "Refused" in answer.text
    assert browser.get("/cypher.csv", params={"q": query}).status_code == 400


def test_a_query_that_never_ends_is_ended(atlas: Atlas) -> None:
    limits = atlas.client.settings.limits.model_copy(update={"query_seconds": 1.0})
    quick = atlas.client.settings.model_copy(update={"limits": limits})
    endless = (
        "UNWIND range(1, 1000000000) AS a UNWIND range(1, 1000000000) AS b RETURN count(*) AS n"
    )
    service = atlas.client.service
    before, service.settings = service.settings, quick
    try:
        began = time.monotonic()
        answer = atlas.browser().get("/cypher", params={"q": endless})
        assert time.monotonic() - began < 20
    finally:
        service.settings = before
    assert answer.status_code == 400
    assert "Refused" in answer.text
