"""What is secret in an address stays out of messages, of what is compared and of what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graph_schema.artifacts import ArtifactStore
from graph_schema.errors import CircuitServiceError, SpecError
from graph_schema.printable import without_secrets
from graph_schema.store.address import StoreAddress, connect
from workers import broker
from workers.local.goes_by import goes_by
from workers.settings import Settings, read_settings

SECRET = "hunter2"
PASSWORDS = (
    SECRET,
    f"/{SECRET}",
    f"{SECRET}/x",
    f"a#{SECRET}",
    f"?{SECRET}",
    f"[{SECRET}",
    f"@{SECRET}",
)
BROKERS = [
    *(f"redis://worker:{password}@127.0.0.1:1/0" for password in PASSWORDS),
    f"redis://127.0.0.1:1/0?password={SECRET}",
    f"rediss://:{SECRET}@127.0.0.1:1/0?ssl_cert_reqs=never",
    f"redis://:{SECRET}@127.0.0.1:none/0",
    f"amqp://{SECRET}@127.0.0.1",
]


@pytest.mark.parametrize("url", BROKERS)
def test_a_broker_s_password_is_in_no_message(tmp_path: Path, url: str) -> None:
    settings = Settings.model_validate({"home": tmp_path, "broker": url, "graph": "bolt://nowhere"})
    with pytest.raises(CircuitServiceError) as refused:
        broker.queue_depth(broker.make_app(settings))
    assert "127.0.0.1" in str(refused.value)
    assert SECRET not in f"{refused.value}{settings!r}{goes_by(settings)}"


@pytest.mark.parametrize("scheme", ["bolt", "neo4j", "bolt+s", "neo4j+s", "nonsense"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_graph_s_address_holds_no_password(scheme: str, password: str) -> None:
    with pytest.raises(SpecError, match="CIRCUITS_GRAPH_PASSWORD") as refused:
        connect(StoreAddress(f"{scheme}://neo4j:{password}@host:7687"), answer=1.0)
    assert SECRET not in str(refused.value)


def test_a_password_is_in_no_store_s_repr() -> None:
    address = StoreAddress("bolt://x", "u", SECRET, reader_user="r", reader_password=SECRET)
    assert SECRET not in f"{address!r}{address.as_reader()!r}"


@pytest.mark.parametrize(
    "url", [f"memory://user:{SECRET}@place/x?token={SECRET}", f"gopher://u:{SECRET}@place"]
)
def test_an_artifact_store_s_password_is_in_no_message(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings refuse a login in a URL; a store that is made of one shows it to nobody."""
    with pytest.raises(CircuitServiceError) as refused:
        ArtifactStore(url).load_bytes("not/there")
    assert "place" in str(refused.value)
    assert SECRET not in str(refused.value)
    monkeypatch.setenv("CIRCUITS_ARTIFACTS", url)
    with pytest.raises(SpecError, match="holds no login") as unset:
        read_settings()
    assert SECRET not in str(unset.value)


@given(
    st.text(st.characters(exclude_characters="@"), max_size=8),
    st.text(max_size=4),
    st.sampled_from(["token", "x-amz-security-token", "aws_secret_access_key", "Password", "sig"]),
)
@example("a", "", "token")
def test_whatever_stands_around_it_a_password_is_left_out(
    user: str, before: str, name: str
) -> None:
    shown = without_secrets(f"s3://{user}:{before}{SECRET}@host/a?b=1&{name}={SECRET}&c=2")
    assert shown == f"s3://***@host/a?b=1&{name}=***&c=2"


def test_an_address_without_secrets_is_shown_as_it_is() -> None:
    for url in ("redis://127.0.0.1:6379/0", "/home/a@b/artifacts", "s3://bucket/prefix?region=x"):
        assert without_secrets(url) == url
