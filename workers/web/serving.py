"""`circuits web`: the pages on a port of this machine, and the address that lets a browser in."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from graph_schema.errors import ResourceError, SpecError
from workers.client import CircuitClient
from workers.web.access import Access, stored_key
from workers.web.app import make_app
from workers.web.site import Site

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
MOST_HEADER_BYTES = 2**17
"""A query stands in an address, and the page that it led to in the header of the next request."""
END_SECONDS = 2
"""How long open connections may keep the server from ending: live pages never end by themselves."""


def serve(
    client: CircuitClient,
    host: str,
    port: int,
    allowed: tuple[str, ...],
    *,
    open_browser: bool,
    tell: Callable[[str], None],
    circuit: str | None = None,
) -> None:
    """Serve the pages until Ctrl-C or SIGTERM.

    Args:
        client: What they show.
        host: The address to listen on.
        port: Likewise; 0 takes a free one.
        allowed: Names that the server goes by beside its address.
        open_browser: Open the address in the machine's browser.
        tell: Takes the address, and what is to be known.
        circuit: Whole id of the circuit whose page comes first, in place of the list of all.

    Raises:
        SpecError: There is no such address.
        ResourceError: The port is taken.
    """
    listening = _listen(host, port)
    try:
        _ = client.service  # what is wrong with the graph is told before anybody is let in
        access = Access(stored_key(client.settings.cache_dir))
        port = int(listening.getsockname()[1])
        shown = _shown(host, allowed)
        names = {*LOOPBACK, *(name.lower() for name in (host, shown, *allowed))}
        app = make_app(Site(client, access), tuple(names), cookie=f"circuits-{port}")
        shown = f"[{shown}]" if ":" in shown else shown
        entrance = f"http://{shown}:{port}/enter?word={access.invite()}"
        if circuit is not None:
            entrance += f"&to=/circuits/{circuit}"
        if not is_loopback(host):
            tell(
                "warning: others on the network reach this server, and what it sends is not "
                "encrypted: put it behind TLS, or listen on 127.0.0.1 and come in by "
                f"ssh -L {port}:127.0.0.1:{port}"
            )
        tell(f"open once, within a quarter of an hour: {entrance}\nCtrl-C ends it")
        if open_browser and _has_screen():
            threading.Timer(0.5, _open, [entrance]).start()
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # it would show the word that lets a browser in
            server_header=False,
            lifespan="off",
            ws="none",  # whatever is installed beside: nothing here takes one
            timeout_graceful_shutdown=END_SECONDS,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        )
        uvicorn.Server(config).run([listening])
    finally:
        listening.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str, allowed: tuple[str, ...]) -> str:
    """The name by which browsers are told to come: the server goes by it, too."""
    if is_loopback(host):
        return host
    return next(iter(allowed), socket.gethostname() if host in EVERYWHERE else host)


def usual_port(port: int) -> int:
    """This port of the machine's own address, or 0, which takes a free one, where it is taken."""
    try:
        _listen(LOOPBACK[0], port).close()
    except ResourceError:
        return 0
    return port


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SpecError(
            f"host {host!r} is no address of this machine; expected 127.0.0.1, or 0.0.0.0 for all"
        ) from error
    family, kind, protocol, _, where = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(128)  # now: whoever is quick with the address waits, and is not refused
    except OSError as error:
        listening.close()
        raise ResourceError(
            f"port {port} of {host} cannot be listened on: {error.strerror}; choose another: "
            "--port N (0 takes a free one)"
        ) from error
    return listening


def _has_screen() -> bool:
    """Whether a browser could show itself: one of a terminal would take it, and run no script."""
    return sys.platform == "darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def _open(entrance: str) -> None:
    with suppress(webbrowser.Error):
        webbrowser.open(entrance)
