"""Circuits that come as files and go as files: as the command line has them, within bounds."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from typing import Any

import pytest
from starlette.testclient import TestClient

from graph_schema.documents import ExchangeFormat
from graph_schema.exchange import read_circuit_file
from tests.workers.web.conftest import COOKIE, FOREIGN, HERE, Atlas
from workers.requests.exchange import FORMATS
from workers.web.app import UPLOADS
from workers.web.gate import MOST_DISCARDED
from workers.web.uploads import MOST_BYTES, SUFFIXES


def _sent(
    atlas: Atlas, browser: TestClient, data: bytes, name: str = "graph.json", **fields: str
) -> Any:
    form: dict[str, Any] = atlas.form(browser, **fields)
    return browser.post("/import", **form, files={"file": (name, data)})


def _refusal(answer: Any) -> str:
    assert answer.status_code == 400, answer.text
    found = re.search(r'<section role="alert">.*?<p class="message">(.*?)</p>', answer.text, re.S)
    assert found is not None, answer.text
    return found[1]


@pytest.fixture(scope="module")
def stored(atlas: Atlas) -> str:
    """A circuit that came from a file, and has all its scores stored."""
    browser = atlas.browser()
    data = browser.get(f"/circuits/{atlas.wide.circuit_id}/file?format=csv").content
    model = atlas.wide.model.fingerprint[:12]
    answer = _sent(atlas, browser, data, name="a.csv", model=model)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/")[2]


def test_a_file_becomes_the_circuit_that_the_command_line_makes_of_it(
    atlas: Atlas, browser: TestClient
) -> None:
    data = browser.get(f"/circuits/{atlas.wide.circuit_id}/file?format=node-link").content
    model = atlas.wide.model.fingerprint[:12]
    answer = _sent(atlas, browser, data, model=model, task="ioi", metric="logit_diff")
    assert answer.status_code == 303, answer.text
    page = browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert "a file of another tool" in page.text
    assert f"150 of {atlas.wide.n_edges}" in page.text
    found = atlas.client.circuit(answer.headers["location"].rpartition("/")[2])
    assert found.document.task == "ioi"
    assert {edge.name for edge in found.edges} == {edge.name for edge in atlas.wide.edges}
    again = _sent(atlas, browser, data, name="other.json", model=model)
    assert again.headers["location"] == answer.headers["location"]


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"eap-ig-pt", "mib-pt"}))
def test_a_circuit_goes_in_every_format_as_the_client_writes_it(
    atlas: Atlas, browser: TestClient, stored: str, name: str
) -> None:
    answer = browser.get(f"/circuits/{stored}/file?format={name}")
    assert answer.content == atlas.client.circuit(stored).export(name)
    said = answer.headers["content-disposition"]
    assert re.fullmatch(rf'attachment; filename="[\w.-]*{stored[:12]}\.[\w.-]+"', said)


@pytest.mark.slow
def test_a_pickle_is_written_by_a_process_of_its_own(browser: TestClient, stored: str) -> None:
    answer = browser.get(f"/circuits/{stored}/file?format=eap-ig-pt")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert any(name.endswith("data.pkl") for name in archive.namelist())


@pytest.mark.parametrize("name", ["node-link", "graphml", "csv", "neuronpedia", "eap-ig"])
def test_what_is_shown_goes_alone_and_says_what_it_is_of(
    atlas: Atlas, browser: TestClient, stored: str, name: str
) -> None:
    own = f"/circuits/{stored}/file?format={name}"
    strongest = sorted(atlas.wide.edges, key=lambda edge: -abs(edge.score or 0))[:30]
    node = strongest[0].sender
    shown = browser.get(f"{own}&what=shown&edges=30")
    found = read_circuit_file(shown.content, ExchangeFormat(name))
    assert {edge.name for edge in found.edges} == {edge.name for edge in strongest}
    if name not in ("csv", "eap-ig"):
        assert found.metadata["circuit_id"] == f"{stored} (30 of 150 edges)"
    answer = browser.get(f"{own}&what=node&edges=30&node={node}")
    of_node = read_circuit_file(answer.content, ExchangeFormat(name))
    assert {edge.name for edge in of_node.edges} == {
        edge.name for edge in strongest if node in (edge.sender, edge.receiver)
    }


@pytest.mark.parametrize("asked", ["format=exe", "format=csv&what=all", "format=../x", ""])
def test_another_file_is_refused(atlas: Atlas, browser: TestClient, asked: str) -> None:
    answer = browser.get(f"/circuits/{atlas.induction.circuit_id}/file?{asked}")
    assert answer.status_code == 400


class _Bomb:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('a pickle was built')",)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("x.json", b"", "not JSON"),
        ("x.json", b"[" * 200_000, "nested too deep"),
        ("x.json", b"{}", "cfg|nodes|links|key"),
        ("x.json", b'{"a":' + b"9" * 5_000 + b"}", "digits"),
        ("x.json", b"\xff\xfe\x00", "UTF-8"),
        ("x.exe", b"MZ", "does not say its format"),
        ("../../etc/passwd", b"root:x:0:0", "does not say its format"),
        ("x.pt", pickle.dumps(_Bomb()), "a pickle, which pages do not read"),
        ("X.PT", pickle.dumps(_Bomb()), "a pickle, which pages do not read"),
        (
            "x.graphml",
            b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><graphml>&b;</graphml>",
            "document type",
        ),
        ("x.csv", b"hooks,score\n=cmd|' /C calc'!A0,1\n", "."),
        (f"{FOREIGN}.json", f'{{"{FOREIGN}": 1}}'.encode(), "."),
    ],
)
def test_a_hostile_file_is_refused_with_a_reason(
    atlas: Atlas, browser: TestClient, name: str, data: bytes, why: str
) -> None:
    before = len(atlas.client.circuits())
    answer = _sent(atlas, browser, data, name=name, model=atlas.wide.model.fingerprint[:12])
    refusal = _refusal(answer)
    assert re.search(why, refusal), refusal
    assert "circuits-web-" not in refusal, "where it lay is nobody's business"
    assert "<script>" not in answer.text
    assert len(atlas.client.circuits()) == before


def test_a_pickle_by_another_name_is_no_json(atlas: Atlas, browser: TestClient) -> None:
    data, model = pickle.dumps(_Bomb()), atlas.wide.model.fingerprint[:12]
    assert "UTF-8" in _refusal(_sent(atlas, browser, data, name="x.json", model=model))
    asked = {"name": "x.json", "format": "eap-ig-pt", "model": model}
    assert "a pickle" in _refusal(_sent(atlas, browser, data, **asked))


def test_a_form_without_a_file_or_with_a_wrong_field_keeps_what_was_typed(
    atlas: Atlas, browser: TestClient
) -> None:
    answer = _sent(atlas, browser, b"{}", n_edges="several", model="zoo:llama/1")
    assert "n_edges is &#39;several&#39;" in _refusal(answer)
    assert 'value="zoo:llama/1"' in answer.text
    form: dict[str, Any] = atlas.form(browser)
    assert "choose one" in _refusal(browser.post("/import", **form, files={"file": ("", b"")}))


@pytest.mark.parametrize("path", UPLOADS)
def test_a_file_takes_the_pages_token_and_comes_from_it(
    atlas: Atlas, browser: TestClient, path: str
) -> None:
    files = {"file": ("x.json", b"{}")}
    own = atlas.access.form_token(browser.cookies[COOKIE])
    for token, origin in (("", HERE), ("0" * 64, HERE), (own, ""), (own, "http://evil.example")):
        headers = {"origin": origin} if origin else {}
        data = {"token": token}
        sent: dict[str, Any] = {"data": data, "files": files, "headers": headers}
        assert browser.post(path, **sent).status_code == 403
    plain: dict[str, Any] = atlas.form(browser)
    assert browser.post(path, **plain).status_code == 400, "no form with a file"
    assert atlas.visitor().post(path, files=files, headers={"origin": HERE}).status_code == 401


def test_a_large_file_is_refused_early_and_the_rest_of_it_is_thrown_away(
    atlas: Atlas, browser: TestClient
) -> None:
    form: dict[str, Any] = atlas.form(browser)
    head = {**form["headers"], "content-type": "multipart/form-data; boundary=x"}
    length = {**head, "content-length": str(100 * 10**6)}
    said = browser.post("/import", content=b"x" * 1000, headers=length)
    assert said.status_code == 413
    assert "circuits import FILE" in said.text
    read = 0

    def unsaid() -> Any:  # of no length: it is read up to the bound and no further
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.json"\r\n\r\n'
        while read < 200 * 2**20:
            read += 2**20
            yield b"a" * 2**20

    assert browser.post("/import", content=unsaid(), headers=head).status_code == 413
    assert MOST_BYTES < 100 * 10**6 < MOST_DISCARDED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--x--\r\n",
        b"--x\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nb\r\n' % n for n in range(99)
        )
        + b"--x--\r\n",
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="%d"\r\n\r\nb\r\n' % n
            for n in range(3)
        )
        + b"--x--\r\n",
    ],
)
def test_a_broken_form_is_refused(atlas: Atlas, browser: TestClient, body: bytes) -> None:
    form: dict[str, Any] = atlas.form(browser)
    headers = {**form["headers"], "content-type": "multipart/form-data; boundary=x"}
    assert browser.post("/import", content=body, headers=headers).status_code in (400, 403)


def test_text_of_a_file_is_text_on_the_page(atlas: Atlas, browser: TestClient) -> None:
    data = browser.get(f"/circuits/{atlas.wide.circuit_id}/file?format=node-link").json()
    data["nodes"][0]["label"] = FOREIGN
    data["graph"]["task"] = FOREIGN
    model = atlas.wide.model.fingerprint[:12]
    answer = _sent(atlas, browser, json.dumps(data).encode(), name=FOREIGN + ".json", model=model)
    assert answer.status_code == 303, answer.text
    node = data["nodes"][0]["id"]
    page = browser.get(f"{answer.headers['location']}?node={node}").text
    assert "<script>" not in page
    assert "alert(" in page


def test_endings_are_letters_alone() -> None:
    assert all(re.fullmatch(r"\.[a-z]+", suffix) for suffix in SUFFIXES)
