"""Artifacts in a bucket: a server that speaks S3 over HTTP, and what it refuses."""

from __future__ import annotations

import time
from collections.abc import Generator

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from graph_schema.artifacts import ArtifactStore
from graph_schema.errors import NotFoundError, ResourceError, SpecError
from workers.settings import read_settings

URL = "s3://kept/some/prefix"


@pytest.fixture(scope="module")
def bucket() -> Generator[str]:
    """The address of a server with an empty bucket, `kept`."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "someone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="kept")
        yield f"http://{host}:{port}"
    server.stop()


def test_arrays_come_back_and_go(bucket: str) -> None:
    marked = list[str]()
    store = ArtifactStore(URL, lambda artifacts: marked.append(str(artifacts.is_empty())))
    assert store.is_empty()
    store.require_writable()
    assert store.is_empty()
    ref = store.save_by_content("scores", {"x": np.arange(3), "n": np.array(["é", "b"])})
    assert (marked, store.is_empty()) == (["True"], False)
    assert store.load(ref)["n"].tolist() == ["é", "b"]
    (file,) = ArtifactStore(URL).files()
    assert (file.key, file.bytes > 0, abs(file.modified - time.time()) < 600) == (
        ref.key,
        True,
        True,
    )
    again = store.save_by_content("scores", {"x": np.arange(4)})
    assert {each.key for each in store.files()} == {ref.key, again.key}
    assert store.remove_unchanged(file)
    assert not store.remove_unchanged(file)
    with pytest.raises(NotFoundError, match=r"is not in s3://kept/some/prefix"):
        store.load(ref)
    assert store.exists(again.key)
    store.delete(again.key)
    store.delete(again.key)
    assert store.files() == []


def test_a_damaged_object_is_refused(bucket: str) -> None:
    store = ArtifactStore(URL)
    ref = store.save("a/b", {"x": np.arange(3)})
    boto3.client("s3").put_object(Bucket="kept", Key="some/prefix/a/b", Body=b"other")
    with pytest.raises(ResourceError, match="damaged or replaced"):
        store.load(ref)
    store.delete("a/b")


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    store = ArtifactStore("s3://another/prefix")
    with pytest.raises(ResourceError, match=r"cannot be written to s3://another/prefix"):
        store.require_writable()


def test_a_login_in_the_url_is_refused_and_not_said() -> None:
    with pytest.raises(SpecError, match=r"CIRCUITS_ARTIFACTS.*holds no login") as raised:
        read_settings(artifacts="s3://someone:hidden@kept/prefix")
    assert "hidden" not in str(raised.value)
