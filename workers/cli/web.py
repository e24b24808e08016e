"""`web`: the atlas in a browser."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from graph_schema.errors import MissingExtraError, SpecError
from graph_schema.printable import whole_number
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.options import whole
from workers.cli.output import say

NEEDED = ("starlette", "uvicorn", "jinja2", "python_multipart", "sse_starlette")
LAST_PORT, USUAL_PORT = 65_535, 8765


@command("circuits web", "circuits web --port 9000 --no-open")
def web(
    port: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="0 takes a free one.")
    ] = USUAL_PORT,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Listen on this address, by default this machine's own."
        ),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that browsers know the server by; repeatable."),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only print the address.")] = False,
) -> None:
    """Look at circuits, jobs and the graph in a browser.

    Prints an address that lets one browser in, and opens it. Only this machine reaches the pages
    unless another --host is given.
    """
    if not 0 <= port <= LAST_PORT:
        raise SpecError(f"--port is {whole_number(port)}; expected 0 to {LAST_PORT}")
    require_web()
    from workers.web.serving import serve

    with connected() as client:
        serve(client, host, port, tuple(allow_host or ()), open_browser=not no_open, tell=say)


def require_web() -> None:
    """Look for what pages need.

    Raises:
        MissingExtraError: It is not installed.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise MissingExtraError(
            f"pages in a browser need {', '.join(missing)}; run: pip install 'circuit-atlas[web]'"
        )
