"""`bolt+s://` checks the server: a real database behind a proxy that speaks TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from graph_schema.errors import StoreUnavailable
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.java import JavaServer
from tests.certificates import certificate


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)  # wakes the other way, which has the other end
        end.close()


def _serve(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return  # closed
        try:
            inside = context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()  # the client did not like the certificate
            continue
        outside = socket.create_connection(("127.0.0.1", port))
        for pair in ((inside, outside), (outside, inside)):
            threading.Thread(target=_carry, args=pair, daemon=True).start()


@contextmanager
def _behind_tls(port: int, files: tuple[Path, Path]) -> Generator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = threading.Thread(target=_serve, args=(listener, context, port))
    proxy.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        proxy.join()


def test_a_server_is_checked_against_the_certificates_that_are_named(
    arcadedb: JavaServer, tmp_path: Path
) -> None:
    files = certificate(tmp_path, "DNS:localhost")
    (tmp_path / "another").mkdir()
    another, _ = certificate(tmp_path / "another", "DNS:localhost")
    port = urlsplit(arcadedb.address.uri).port
    assert port is not None
    with _behind_tls(port, files) as secured:

        def ask(ca_file: Path | None, host: str = "localhost", scheme: str = "bolt+s") -> None:
            address = replace(
                arcadedb.address,
                uri=f"{scheme}://{host}:{secured}",
                ca_file=None if ca_file is None else str(ca_file),
                reader_user=arcadedb.address.user,
                reader_password=arcadedb.address.password,
            )
            with GraphStore(address, patience=0) as store, store.reader() as reader:
                store.ping()
                reader.ping()

        ask(files[0])
        ask(None, scheme="bolt+ssc")  # who asks for no check has none
        for ca_file, host in ((None, "localhost"), (another, "localhost"), (files[0], "127.0.0.1")):
            with pytest.raises(StoreUnavailable):
                ask(ca_file, host)
