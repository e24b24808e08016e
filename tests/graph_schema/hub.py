"""A hub on this machine: serves folders as repositories, and notes what is fetched."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Its address, the folder of each repository, and the files that were fetched."""

    url: str = ""
    folders: dict[str, Path] = field(default_factory=dict[str, Path])
    fetched: list[str] = field(default_factory=list[str])

    def environment(self, home: Path) -> dict[str, str]:
        """What has huggingface_hub ask here and keep its cache under `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            # A thread of this process answers, which may stand still for longer than 10 s.
            "HF_HUB_ETAG_TIMEOUT": "120",
            "HF_HUB_DOWNLOAD_TIMEOUT": "120",
        }


@contextmanager
def serving() -> Generator[Hub]:
    """A hub that answers until the end of the body."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(head=True)

        def do_GET(self) -> None:
            self._answer(head=False)

        def _answer(self, head: bool) -> None:
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if parts[:2] == ["api", "models"]:
                self._say(hub.folders.get("/".join(parts[2:4])), parts[4:], head)
            else:
                self._send_file(hub.folders.get("/".join(parts[:2])), "/".join(parts[4:]), head)

        def _say(self, folder: Path | None, asked: list[str], head: bool) -> None:
            if folder is None:
                self._send(404, b"{}", head, code="RepoNotFound")
                return
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            names = {file.relative_to(folder).as_posix(): file for file in files}
            said: object = {
                "id": "/".join(self.path.split("/")[3:5]),
                "sha": COMMIT,
                "siblings": [{"rfilename": name} for name in names],
            }
            if asked[:1] == ["tree"]:
                said = [
                    {"type": "file", "path": name, "size": file.stat().st_size, "oid": "0" * 40}
                    for name, file in names.items()
                ]
            self._send(200, json.dumps(said).encode(), head)

        def _send_file(self, folder: Path | None, name: str, head: bool) -> None:
            if folder is None:
                self._send(404, b"", head, code="RepoNotFound")
            elif not (folder / name).is_file():
                self._send(404, b"", head, code="EntryNotFound")
            else:
                if not head:
                    hub.fetched.append(name)
                self._send(200, (folder / name).read_bytes(), head)

        def _send(self, status: int, body: bytes, head: bool, code: str = "") -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not head:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
