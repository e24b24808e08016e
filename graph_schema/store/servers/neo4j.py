"""Neo4j Community from its jars on Maven Central, for machines without Docker.

`python -m graph_schema.store.servers.neo4j fetch` puts the jars (135 MB) in the cache;
`… run FOLDER` starts a server whose data live in FOLDER and prints its address. The tests use the
same functions. With Docker, use `deploy/` instead.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from neo4j import GraphDatabase
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from graph_schema.errors import ResourceError, StoreUnavailable
from graph_schema.private_files import private_folder, write_private
from graph_schema.processes import reserved_port
from graph_schema.store.connection import StoreAddress
from graph_schema.store.servers.java import JavaServer, start_java

NEO4J_VERSION = "5.26.16"
ALLOWED_PROCEDURES = (
    "db.labels",
    "db.relationshipTypes",
    "db.propertyKeys",
    "db.schema.*",
    "db.ping",
    "dbms.components",
    "dbms.routing.getRoutingTable",
    "dbms.cluster.routing.getRoutingTable",
)

_MAIN_CLASS = "org.neo4j.server.CommunityEntryPoint"
_OPEN = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>circuit-atlas</groupId>
  <artifactId>neo4j-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.neo4j.test</groupId>
      <artifactId>neo4j-harness</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


def jars_folder() -> Path:
    """Where `fetch_jars` puts them."""
    return Path.home() / ".cache" / "circuit-atlas" / f"neo4j-{NEO4J_VERSION}" / "jars"


def fetch_jars() -> Path:
    """The folder with the server's jars, fetched by Maven where they are missing.

    Raises:
        ResourceError: Maven is missing or fails.
    """
    target = jars_folder()
    if any(target.glob(f"neo4j-{NEO4J_VERSION}.jar")):
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise ResourceError(f"no `mvn` on the PATH to fetch Neo4j {NEO4J_VERSION} with; install it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        pom = Path(folder, "pom.xml")
        pom.write_text(_POM.format(version=NEO4J_VERSION))
        jars = Path(folder, "jars")
        command = [maven, "-q", "-B", "-f", str(pom), _COPY, f"-DoutputDirectory={jars}"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise ResourceError(
                f"Maven cannot fetch Neo4j {NEO4J_VERSION}:\n{ran.stdout[-2000:]}{ran.stderr}"
            )
        if not target.exists():
            jars.rename(target)
    return target


def start_neo4j(
    folder: Path,
    *,
    port: int | None = None,
    heap_megabytes: int = 1024,
    page_cache_megabytes: int = 256,
    seconds: float = 180.0,
) -> JavaServer:
    """A Neo4j server on 127.0.0.1 whose data and passwords live in `folder`.

    Raises:
        ResourceError: No Java 17 or later, no jars to be fetched, or the port is taken.
        StoreUnavailable: It does not start; the message has the end of its log.
    """
    java = shutil.which("java")
    if java is None:
        raise ResourceError("no `java` on the PATH; Neo4j needs Java 17 or later")
    jars = fetch_jars()
    folder = private_folder(folder.absolute())
    passwords = _passwords(folder)
    config = private_folder(folder / "conf")
    with reserved_port(port) as bolt:
        if port and bolt != port:
            raise ResourceError(f"port {port} is in use; give another with --port")
        address = StoreAddress(
            uri=f"bolt://127.0.0.1:{bolt}",
            password=passwords["neo4j"],
            reader_user="reader",
            reader_password=passwords["reader"],
        )
        _write_config(config / "neo4j.conf", folder, bolt, page_cache_megabytes)
        arguments = [
            f"-Xmx{heap_megabytes}m",
            "-XX:+ExitOnOutOfMemoryError",
            *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPEN),
            "-cp",
            str(jars / "*"),
            _MAIN_CLASS,
            f"--home-dir={folder}",
            f"--config-dir={config}",
        ]
        return start_java(
            "Neo4j",
            Path(java),
            arguments,
            folder=folder,
            address=address,
            more_log="logs/neo4j.log",
            ready=_set_passwords,
            seconds=seconds,
        )


def _write_config(path: Path, folder: Path, port: int, page_cache_megabytes: int) -> None:
    settings = {
        "server.directories.data": folder / "data",
        "server.directories.logs": folder / "logs",
        "server.bolt.listen_address": f"127.0.0.1:{port}",
        "server.http.enabled": "false",
        "server.https.enabled": "false",
        "server.memory.pagecache.size": f"{page_cache_megabytes}m",
        "dbms.usage_report.enabled": "false",
        "internal.dbms.cypher_ip_blocklist": "0.0.0.0/0,::/0",  # no LOAD CSV of addresses
        "dbms.security.allow_csv_import_from_file_urls": "false",
        "dbms.security.procedures.allowlist": ",".join(ALLOWED_PROCEDURES),
    }
    write_private(path, "".join(f"{name}={value}\n" for name, value in settings.items()))


def _passwords(folder: Path) -> dict[str, str]:
    path = folder / "passwords.json"
    if not path.exists():
        made = {user: secrets.token_hex(24) for user in ("neo4j", "reader")}
        write_private(path, json.dumps(made))
    return json.loads(path.read_text())


def _set_passwords(address: StoreAddress) -> None:
    """Let our password in, and a reader's; on the first start Neo4j wants its own changed."""
    try:
        if not _system(address.uri, address.password, "SHOW CURRENT USER"):
            _system(
                address.uri,
                "neo4j",
                "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $new",
                new=address.password,
            )
        _system(
            address.uri,
            address.password,
            "CREATE USER reader IF NOT EXISTS SET PASSWORD $new CHANGE NOT REQUIRED",
            new=address.reader_password,
        )
    except (DriverError, Neo4jError) as error:
        raise StoreUnavailable(f"Neo4j at {address.uri} is not ready: {error}") from error


def _system(uri: str, password: str, statement: str, **parameters: str | None) -> bool:
    """Run a statement on the system database; False where the password is not (yet) right."""
    with GraphDatabase.driver(uri, auth=("neo4j", password), connection_timeout=5.0) as driver:
        try:
            driver.execute_query(statement, parameters, database_="system")  # pyright: ignore
        except AuthError:
            return False
    return True


def main(arguments: list[str] | None = None) -> None:
    """Fetch the jars, or run a server until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, prog="graph_schema.store.servers.neo4j")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="fetch the jars into the cache, print where they are")
    run = commands.add_parser("run", help="run a server until interrupted")
    run.add_argument("folder", type=Path)
    run.add_argument("--port", type=int, default=7687)
    given = parser.parse_args(arguments)
    if given.command == "fetch":
        sys.stdout.write(f"{fetch_jars()}\n")
        return
    server = start_neo4j(given.folder, port=given.port)
    sys.stdout.write(
        f"{server.address.uri}  user neo4j, reader; passwords in {given.folder}/passwords.json\n"
    )
    sys.stdout.flush()
    try:
        while server.alive:
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
