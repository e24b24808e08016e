"""A model's name and identity, from files and from a hub that a local server stands for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError, ModelUnavailable
from graph_schema.models.fingerprint import fingerprint, resolve_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files with the names of a model's; a fingerprint does not read what they say."""
    made = tmp_path / "model"
    made.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (made / name).write_text(name)
        _age(made / name)
    return made


def _age(file: Path, seconds: float = 60) -> None:
    then = time.time() - seconds
    os.utime(file, (then, then))


def _fingerprint(path: Path, cache: Path | None = None) -> str:
    return fingerprint(ModelSource(name=str(path)), cache)


def test_paths_are_told_from_hub_ids_by_their_form(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    (folder.parent / "org" / "name").mkdir(parents=True)
    assert resolve_source("./model") == ModelSource(name=str(folder))
    assert resolve_source(str(folder)) == ModelSource(name=str(folder))
    (folder.parent / "small.gguf").touch()
    assert resolve_source("small.gguf").name == str(folder.parent / "small.gguf")
    # A folder of that name lies here, and is not touched.
    assert resolve_source("org/name", "main") == ModelSource(name="org/name", revision="main")
    monkeypatch.setenv("HOME", str(folder.parent))
    assert resolve_source("~/model").name == str(folder)


@pytest.mark.parametrize("name", ["gpt2", "model", "../model", "a/b/c", "org/", "org/na me", ""])
def test_what_is_neither_path_nor_hub_id_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"openai-community/gpt2.*starts with \./"):
        resolve_source(name)


def test_a_missing_path_and_a_path_with_a_revision_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="no such file or folder"):
        resolve_source(str(folder / "gone"))
    with pytest.raises(ModelError, match="has no revision 'main'"):
        resolve_source(str(folder), "main")


def test_a_fingerprint_is_the_content_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    first = _fingerprint(folder)
    assert len(first) == 64
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    (copy / "README.md").write_text("not a part of the model")
    assert _fingerprint(copy) == first
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        changed = shutil.copytree(folder, tmp_path / f"changed-{name}")
        (changed / name).write_text("other")
        assert _fingerprint(changed) != first


def test_a_gguf_file_may_be_renamed(tmp_path: Path) -> None:
    one, other = tmp_path / "one.gguf", tmp_path / "other.gguf"
    one.write_text("weights")
    other.write_text("weights")
    assert _fingerprint(one) == _fingerprint(other)


def test_hashes_are_kept_by_size_and_time(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = _fingerprint(folder, cache)
    weights = folder / "model.safetensors"
    stat = weights.stat()
    # Same size, same time: the kept hash answers, which is what the cache is for.
    weights.write_text("MODEL.safetensors")
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert _fingerprint(folder, cache) == first
    _age(weights, 30)
    assert _fingerprint(folder, cache) != first
    for kept in cache.iterdir():
        kept.write_text("not JSON")
    assert _fingerprint(folder, cache) == _fingerprint(folder)


def test_a_cache_that_cannot_be_kept_is_done_without(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _fingerprint(folder, tmp_path / "file" / "cache") == _fingerprint(folder)


def test_a_file_that_was_just_written_is_not_kept(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").write_text("new")
    _age(folder / "config.json", -60)  # as new as it may be, however long the next line waits
    _fingerprint(folder, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_folder_that_is_no_model_says_why(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled weights \(pytorch_model.bin\)"):
        _fingerprint(folder)
    (folder / "pytorch_model.bin").rename(folder / "weights.gguf")
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"give the file itself, .*weights\.gguf"):
        _fingerprint(folder)
    with pytest.raises(ModelUnavailable, match="no such file or folder"):
        _fingerprint(tmp_path / "gone")


def test_a_commit_is_its_own_fingerprint() -> None:
    assert fingerprint(ModelSource(name="org/name", revision=COMMIT)) == COMMIT


class _Hub(BaseHTTPRequestHandler):
    """Answers for `config.json` as the hub does, by the name of the organisation."""

    def do_HEAD(self) -> None:
        org = self.path.split("/")[1]
        status, code = {
            "gated": (403, "GatedRepo"),
            "missing": (404, "RepoNotFound"),
            "empty": (404, "EntryNotFound"),
            "old": (404, "RevisionNotFound"),
            "down": (500, None),
        }.get(org, (200, None))
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", '"etag"')
        self.send_header("Content-Length", "2")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


ASK = """
import json, sys
from graph_schema.documents import ModelSource
from graph_schema.errors import CircuitServiceError
from graph_schema.models.fingerprint import fingerprint

answers = {}
for name in sys.argv[1:]:
    try:
        answers[name] = fingerprint(ModelSource(name=name))
    except CircuitServiceError as error:
        answers[name] = f"{type(error).__name__}: {error}"
print(json.dumps(answers))
"""


def _ask(home: Path, names: list[str], **environment: str) -> dict[str, str]:
    # huggingface_hub reads its environment when it is imported: a fresh interpreter.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    # The hub is a thread of this process, which may stand still for longer than the usual 10 s.
    patient = {"HF_HUB_ETAG_TIMEOUT": "120", "HF_HUB_DOWNLOAD_TIMEOUT": "120"}
    ran = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        env={
            **inherited,
            **patient,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_hub_is_asked_and_its_errors_say_what_to_do(hub: str, tmp_path: Path) -> None:
    names = ["open/model", "gated/model", "missing/model", "empty/model", "old/model"]
    said = _ask(tmp_path, names, HF_ENDPOINT=hub)
    assert said["open/model"] == COMMIT
    assert "accept its licence at https://huggingface.co/gated/model" in said["gated/model"]
    assert "HF_TOKEN" in said["gated/model"]
    assert "is not on the hub, or is private" in said["missing/model"]
    assert "has no config.json" in said["empty/model"]
    assert "has no revision" in said["old/model"]
    offline = _ask(tmp_path, ["open/model", "unseen/model"], HF_HUB_OFFLINE="1")
    assert offline["open/model"] == COMMIT
    assert "is not in the local cache" in offline["unseen/model"]
