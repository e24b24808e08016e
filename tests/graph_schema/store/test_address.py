"""An address of a graph is that of one server; what the driver makes of anything else is none."""

from __future__ import annotations

import pytest

from graph_schema.errors import SpecError
from graph_schema.store.address import StoreAddress, connect


@pytest.mark.parametrize(
    "uri",
    [
        *("bolt", "bolt://", "bolt:127", "bolt://:7687", "bolt+unix:///tmp/x", "http://host"),
        *("bolt://127.0.0.1:0", "bolt://127.0.0.1:99999", "bolt://127.0.0.1:-1", "bolt://host:x"),
        *("bolt://[::1", "bolt://a b:7687", " bolt://host", "bolt://host\n", "bolt://a:1,b:1"),
        *(f"bolt://{'a' * 70}:1", "bolt://a..b:1", "bolt://\udcff:1", "bolt://\u202e:1"),
    ],
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    """By http:// the driver sends the password as it is; a port it takes modulo 65,536."""
    with pytest.raises(SpecError, match=r"cannot be used: .*CIRCUITS_GRAPH\)"):
        connect(StoreAddress(uri), answer=1.0)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("bolt://h:7687/db name", "it holds a blank or a control character"),
        ("bolt://a:1,b:1", "a:1,b:1"),
        ("bolt://a,b", "it names no host and port"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(uri: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        connect(StoreAddress(uri), answer=1.0)


@pytest.mark.parametrize(
    "uri", ["BOLT://host", "neo4j://h?policy=a,b", "neo4j://host:7687", "bolt://[::1]:7687"]
)
def test_an_address_is_taken_as_it_is_written(uri: str) -> None:
    connect(StoreAddress(uri), answer=1.0).close()
