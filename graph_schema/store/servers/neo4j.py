"""Neo4j Community from its jars on Maven Central, for machines without Docker.

`python -m graph_schema.store.servers.neo4j fetch` puts the jars (135 MB) in the cache;
`… run FOLDER` starts a server whose data live in FOLDER and prints its address. The tests and
`deploy/local.sh` use the same functions. With Docker, use `deploy/` instead.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from neo4j.exceptions import AuthError, DriverError, Neo4jError

from graph_schema.errors import CircuitServiceError, ResourceError, SpecError, StoreUnavailable
from graph_schema.private_files import private_folder, write_private
from graph_schema.processes import reserved_port
from graph_schema.store.connection import StoreAddress, connect
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
_JVM = "server.jvm.additional="
"""Settings of this name are for whoever starts Java: each is one of its arguments."""
_SETTINGS = {
    "server.http.enabled": "false",
    "server.https.enabled": "false",
    "dbms.usage_report.enabled": "false",
    "internal.dbms.cypher_ip_blocklist": "0.0.0.0/0,::/0",  # no LOAD CSV of addresses
    "dbms.security.allow_csv_import_from_file_urls": "false",
    "dbms.security.procedures.allowlist": ",".join(ALLOWED_PROCEDURES),
}
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
    conf: Path | None = None,
    secrets_folder: Path | None = None,
    seconds: float = 180.0,
) -> JavaServer:
    """A Neo4j server on 127.0.0.1 whose data and passwords live in `folder`.

    Args:
        folder: All there is of the database.
        port: Of Bolt; any free one by default.
        heap_megabytes: What `conf` says of it does not count.
        page_cache_megabytes: Nor of this.
        conf: A `neo4j.conf` to run with, as it is; default: one that lets user Cypher do little.
        secrets_folder: What `deploy/make-secrets.sh` made: passwords and a certificate. With one
            the server speaks TLS where `conf` asks for it; without, it makes passwords of its own.
        seconds: How long it may take to start.

    Raises:
        ResourceError: No Java 17 or later, no jars to be fetched, or the port is taken.
        SpecError: `conf` or the secrets cannot be read.
        StoreUnavailable: It does not start; the message has the end of its log.
    """
    java = shutil.which("java")
    if java is None:
        raise ResourceError("no `java` on the PATH; Neo4j needs Java 17 or later")
    jars = fetch_jars()
    folder = private_folder(folder.absolute())
    settings = _own_settings() if conf is None else _text(conf)
    config = private_folder(folder / "conf")
    write_private(config / "neo4j.conf", settings)
    with reserved_port(port) as bolt:
        if port and bolt != port:
            raise ResourceError(f"port {port} is in use; give another with --port")
        address = _address(bolt, folder, secrets_folder)
        place = {
            "server.directories.data": folder / "data",
            "server.directories.logs": folder / "logs",
            "server.bolt.listen_address": f"127.0.0.1:{bolt}",
            "server.memory.pagecache.size": f"{page_cache_megabytes}m",
        }
        if secrets_folder is not None:
            place["dbms.ssl.policy.bolt.base_directory"] = secrets_folder.absolute() / "tls"
        arguments = [
            *(line.removeprefix(_JVM) for line in settings.splitlines() if line.startswith(_JVM)),
            f"-Xmx{heap_megabytes}m",
            "-cp",
            str(jars / "*"),
            _MAIN_CLASS,
            f"--home-dir={folder}",
            f"--config-dir={config}",
            *(word for name, value in place.items() for word in ("-c", f"{name}={value}")),
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


def _own_settings() -> str:
    lines = [
        *(f"{name}={value}" for name, value in _SETTINGS.items()),
        f"{_JVM}-XX:+ExitOnOutOfMemoryError",
        *(f"{_JVM}--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPEN),
    ]
    return "".join(f"{line}\n" for line in lines)


def _address(port: int, folder: Path, secrets_folder: Path | None) -> StoreAddress:
    if secrets_folder is None:
        return _address_at(f"bolt://127.0.0.1:{port}", _passwords(folder))
    passwords = {
        "neo4j": _text(secrets_folder / "neo4j.txt").strip(),
        "reader": _text(secrets_folder / "neo4j_reader.txt").strip(),
    }
    address = _address_at(f"bolt+s://localhost:{port}", passwords)
    return replace(address, ca_file=str(secrets_folder / "tls" / "ca.crt"))


def _address_at(uri: str, passwords: dict[str, str]) -> StoreAddress:
    return StoreAddress(
        uri=uri,
        password=passwords["neo4j"],
        reader_user="reader",
        reader_password=passwords["reader"],
    )


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise SpecError(
            f"cannot read {str(file)!r}: {error.strerror}; give a file that is there"
        ) from error


def _passwords(folder: Path) -> dict[str, str]:
    path = folder / "passwords.json"
    if not path.exists():
        made = {user: secrets.token_hex(24) for user in ("neo4j", "reader")}
        write_private(path, json.dumps(made))
    return json.loads(path.read_text())


def _set_passwords(address: StoreAddress) -> None:
    """Let our password in, and a reader's; on the first start Neo4j wants its own changed."""
    try:
        if not _system(address, "SHOW CURRENT USER"):
            _system(
                replace(address, password="neo4j"),
                "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $new",
                new=address.password,
            )
        _system(
            address,
            "CREATE USER reader IF NOT EXISTS SET PASSWORD $new CHANGE NOT REQUIRED",
            new=address.reader_password,
        )
    except (DriverError, Neo4jError) as error:
        raise StoreUnavailable(f"Neo4j at {address.uri} is not ready: {error}") from error


def _system(address: StoreAddress, statement: str, **parameters: str | None) -> bool:
    """Run a statement on the system database; False where the password is not (yet) right."""
    with connect(address) as driver:
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
    run.add_argument("--conf", type=Path, help="a neo4j.conf to run with, as it is")
    run.add_argument(
        "--secrets", type=Path, help="a folder that deploy/make-secrets.sh made; needs --conf"
    )
    given = parser.parse_args(arguments)
    if given.command == "fetch":
        sys.stdout.write(f"{fetch_jars()}\n")
        return
    if given.secrets and not given.conf:
        parser.error("--secrets needs --conf: a configuration that asks for TLS")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        server = start_neo4j(
            given.folder, port=given.port, conf=given.conf, secrets_folder=given.secrets
        )
    except CircuitServiceError as error:
        sys.exit(str(error))
    passwords = given.secrets or f"{given.folder}/passwords.json"
    sys.stdout.write(f"{server.address.uri}  user neo4j, reader; passwords in {passwords}\n")
    sys.stdout.flush()
    try:
        while server.alive:
            time.sleep(1)
        sys.exit(f"Neo4j has ended; {server.last_words()}")
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
