"""`circuits web` as a process: the address that it prints lets one browser in, Ctrl-C ends it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from graph_schema.errors import ResourceError, SpecError
from tests.workers.web.conftest import Atlas
from workers.web.serving import is_loopback, serve

CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.5", "atlas.example")),
    ],
)
def test_only_this_machine_reaches_a_loopback_address(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_it_serves_whoever_has_the_address_and_ends_by_ctrl_c(atlas: Atlas) -> None:
    command = [*CIRCUITS, "web", "--no-open", "--port", "0"]
    env = atlas.client.settings.environment()
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)/enter\?word=\S+", said)
            assert found is not None, said + process.stderr.read()
            with urllib.request.urlopen(found[0], timeout=60) as answer:
                cookie = answer.headers["set-cookie"].partition(";")[0]
            own = f"http://127.0.0.1:{found[1]}/circuits"
            request = urllib.request.Request(own, headers={"cookie": cookie})
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert atlas.wide.circuit_id in answer.read().decode()
            assert _in_two_parts(int(found[1]), cookie, 25_000).startswith(b"HTTP/1.1 200")
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(own, timeout=60)
            with pytest.raises(OSError, match="refused"):  # nothing listens beside loopback
                socket.create_connection((_own_address(), int(found[1])), timeout=10)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (0, 130)
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("options", [[], ["--allow-host", "Atlas.Example"]])
def test_from_the_network_it_goes_by_the_name_that_it_prints(
    atlas: Atlas, options: list[str]
) -> None:
    command = [*CIRCUITS, "web", "--no-open", "--port", "0", "--host", "0.0.0.0", *options]
    env = atlas.client.settings.environment()
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert "not encrypted" in process.stderr.readline()
            said = process.stderr.readline()
            found = re.search(r"http://([^/:]+):(\d+)(/enter\?word=\S+)", said)
            assert found is not None, said
            assert found[1] == (options[-1] if options else socket.gethostname())
            request = urllib.request.Request(
                f"http://127.0.0.1:{found[2]}{found[3]}", headers={"host": f"{found[1]}:{found[2]}"}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert "set-cookie" in answer.headers
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (0, 130)


def _in_two_parts(port: int, cookie: str, letters: int) -> bytes:
    """The beginning of the answer to a long query that arrives in pieces."""
    head = f"GET /cypher?q=RETURN+1+AS+n+//+{'x' * letters} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    text = f"{head}cookie: {cookie}\r\nconnection: close\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as asking:
        asking.sendall(text[:20_000])
        time.sleep(0.2)
        asking.sendall(text[20_000:])
        return asking.recv(100)


def _own_address() -> str:
    """An address of this machine that is not loopback; one that refuses where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])


def test_a_port_that_is_taken_and_a_host_that_is_none_are_told(atlas: Atlas) -> None:
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port {port} of 127.0.0.1.*--port"):
            serve(atlas.client, "127.0.0.1", port, (), open_browser=False, tell=told.append)
    with pytest.raises(SpecError, match=r"no address of this machine|no\.such"):
        serve(atlas.client, "no.such.host.invalid", 0, (), open_browser=False, tell=told.append)
    assert told == []
