"""The production server is as closed as the one that the attack suite runs against."""

from __future__ import annotations

from pathlib import Path

from graph_schema.store.servers.neo4j import ALLOWED_PROCEDURES

CONF = Path(__file__).parents[2] / "deploy" / "neo4j" / "neo4j.conf"


def test_the_shipped_configuration_closes_what_the_tested_server_closes() -> None:
    lines = [line for line in CONF.read_text().splitlines() if line and not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines)
    assert settings["dbms.security.procedures.allowlist"] == ",".join(ALLOWED_PROCEDURES)
    assert settings["dbms.security.allow_csv_import_from_file_urls"] == "false"
    assert settings["internal.dbms.cypher_ip_blocklist"] == "0.0.0.0/0,::/0"
