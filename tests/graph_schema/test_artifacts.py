"""Artifacts: arrays come back as they were saved, or the load says why not."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from graph_schema.array_files import decode, encode
from graph_schema.artifacts import PROBE, ArtifactStore
from graph_schema.documents import ArtifactRef, sha256_hex
from graph_schema.errors import DamagedError, NotFoundError, ResourceError, SpecError


def test_numbers_and_text_survive_the_round_trip(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "a folder"))
    arrays = {
        "names": np.array(["input->a0.h1<q>", "é", ""]),
        "scores": np.array([1.5, float("nan"), -0.0], dtype=np.float32),
        "kept": np.array([[True, False]]),
        "empty": np.zeros((0, 3)),
        "transposed": np.arange(6).reshape(2, 3).T,
    }
    ref = store.save("runs/one/scores.safetensors", arrays)
    found = store.load(ref)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype.kind == array.dtype.kind


@pytest.mark.parametrize("url", ["memory://artifacts", "file:///{folder}"])
def test_a_url_names_any_fsspec_store(tmp_path: Path, url: str) -> None:
    store = ArtifactStore(url.format(folder=tmp_path))
    ref = store.save("a/b", {"x": np.arange(3)})
    assert store.load(ref)["x"].tolist() == [0, 1, 2]
    assert store.exists("a/b")
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")


@pytest.mark.parametrize("url", ["memory://probed", "{folder}/new/place"])
def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path, url: str) -> None:
    store = ArtifactStore(url.format(folder=tmp_path))
    store.require_writable()
    assert not store.exists(PROBE)


@pytest.mark.parametrize("url", ["{folder}/file/artifacts", "/proc/artifacts"])
def test_a_place_that_cannot_be_written_is_said_so(tmp_path: Path, url: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match=r"cannot be written.*CIRCUITS_ARTIFACTS"):
        ArtifactStore(url.format(folder=tmp_path)).require_writable()


def test_what_goes_before_the_first_artifact_is_seen_to_with_the_place() -> None:
    """Before the long part of a job, not when its result is to be saved."""
    done = list[str]()

    def refused(store: ArtifactStore) -> None:
        done.append(store.url)
        raise ResourceError("it cannot be listed")

    store = ArtifactStore("memory://marked", refused)
    for _ in range(2):
        with pytest.raises(ResourceError, match="cannot be listed"):
            store.require_writable()
    assert done == ["memory://marked"] * 2
    again = ArtifactStore("memory://marked", lambda store: done.append("again"))
    again.require_writable()
    again.save_bytes("a", b"a")
    assert done[2:] == ["again"]


def test_no_thread_writes_before_what_goes_before_is_done() -> None:
    written = list[str]()

    def slow(store: ArtifactStore) -> None:
        other = Thread(target=lambda: (store.save_bytes("a", b"a"), written.append("a")))
        other.start()
        other.join(0.2)  # it has every chance to write
        written.append("before")
        ended.append(other)

    ended = list[Thread]()
    store = ArtifactStore("memory://threads", slow)
    store.save_bytes("b", b"b")
    ended[0].join()
    assert written == ["before", "a"]


def test_litter_is_no_use(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    (tmp_path / "..writable.0123abcd").touch()
    (tmp_path / "lost+found").mkdir()
    assert store.is_empty()
    store.save_bytes("a", b"a")
    assert not store.is_empty()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    ref = store.save("x", {"x": np.arange(3)})
    (tmp_path / "x").write_bytes(encode({"x": np.arange(4)}))
    with pytest.raises(DamagedError, match=f"expected {ref.sha256}"):
        store.load(ref)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="CIRCUITS_ARTIFACTS"):
        ArtifactStore(str(tmp_path)).load(ArtifactRef(key="none", sha256="0" * 64))


def test_a_pickle_is_no_artifact(tmp_path: Path) -> None:
    data = pickle.dumps({"x": 1})
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(DamagedError, match="not a safetensors file"):
        ArtifactStore(str(tmp_path)).load(ArtifactRef(key="x", sha256=sha256_hex(data)))


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, encode({"x": np.arange(3)})[:-4]])
def test_what_is_cut_or_noise_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedError):
        decode(data)


def test_a_store_that_is_away_is_no_missing_file(tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    store = ArtifactStore(str(place))
    ref = store.save("x", {"x": np.arange(3)})
    place.rename(tmp_path / "unmounted")
    with pytest.raises(ResourceError, match="mounted") as away:
        store.load(ref)
    assert away.value.retryable
    (tmp_path / "unmounted").rename(place)
    assert store.load(ref)["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a\\b"])
def test_a_key_cannot_leave_the_store(tmp_path: Path, key: str) -> None:
    with pytest.raises(SpecError, match="leaves the store"):
        ArtifactStore(str(tmp_path)).save(key, {"x": np.arange(3)})


def test_an_unknown_protocol_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match="CIRCUITS_ARTIFACTS"):
        ArtifactStore("nonsense://bucket")


def test_saving_leaves_no_draft_behind(tmp_path: Path) -> None:
    ArtifactStore(str(tmp_path)).save("x", {"x": np.arange(3)})
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be written"):
        ArtifactStore(str(tmp_path / "file")).save("x", {"x": np.arange(3)})


@pytest.mark.parametrize("url", ["memory://listed/here", "file:///{folder}", "{folder}/new"])
def test_files_are_listed_and_one_written_anew_is_not_removed(tmp_path: Path, url: str) -> None:
    store = ArtifactStore(url.format(folder=tmp_path))
    assert store.files() == []
    store.save_bytes("a/b", b"four")
    store.save_bytes("c", b"five!")
    first, second = store.files()
    assert [(file.key, file.bytes) for file in (first, second)] == [("a/b", 4), ("c", 5)]
    assert abs(first.modified - time.time()) < 120
    time.sleep(0.02)
    store.save_bytes("a/b", b"four")
    assert not store.remove_unchanged(first)
    assert store.remove_unchanged(second)
    assert not store.remove_unchanged(second)
    assert [file.key for file in store.files()] == ["a/b"]


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("gopher://place", SpecError, "cannot be used: .*CIRCUITS_ARTIFACTS"),
        ("reference://", SpecError, "cannot be used: .*CIRCUITS_ARTIFACTS"),
        ("zip://a::file:///nowhere/all.zip", ResourceError, "cannot be reached"),
    ],
)
def test_a_url_that_no_store_is_at_is_refused(url: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        ArtifactStore(url)
