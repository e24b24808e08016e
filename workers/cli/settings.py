"""`settings`: what is set, and which variable or file says so."""

from __future__ import annotations

from dataclasses import asdict

from graph_schema.reports import table
from workers.cli.command_line import command
from workers.cli.options import AsJson
from workers.cli.output import emit, emit_json
from workers.setting_origins import told
from workers.settings import read_settings


@command("circuits settings", "CIRCUITS_CONFIG=./circuits.toml circuits settings --json")
def settings(as_json: AsJson = False) -> None:
    """Show every setting, and where it was said.

    An environment variable counts before the file of settings, which is CIRCUITS_CONFIG or
    ~/.config/circuits/circuits.toml. Secrets do not show. Starts nothing.
    """
    found = told(read_settings())
    if as_json:
        emit_json([asdict(each) for each in found])
    else:
        rows = [
            (each.name, "-" if each.value is None else each.value, each.origin) for each in found
        ]
        emit(table(("setting", "value", "said by"), rows))
