"""`gc` takes nothing of a store in which another graph's artifacts may be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from graph_schema.artifacts import ArtifactStore
from graph_schema.errors import ResourceError, SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.identity import graph_id
from tests.workers.client.test_clearing import age, make, saved
from workers.client.clearing import clear
from workers.client.service import Service

__all__ = ["make"]


class Unlisted(MemoryFileSystem):
    """Objects that may be written, read and removed, and not looked for."""

    protocol: ClassVar[Any] = "unlisted"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        raise PermissionError("Access Denied")

    def info(self, path: str, **given: Any) -> Any:
        if path not in self.store:
            raise PermissionError("Access Denied")
        return super().info(path, **given)

    def exists(self, path: str, **given: Any) -> bool:
        return bool(self.info(path, **given))

    def cat_file(self, path: str, *given: Any, **named: Any) -> Any:
        self.exists(path)
        return super().cat_file(path, *given, **named)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("unlisted://", "memory://"))


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"artifacts": None}, "CIRCUITS_GRAPH is set and CIRCUITS_ARTIFACTS is not"),
        ({"graph": None}, "CIRCUITS_ARTIFACTS is set and CIRCUITS_GRAPH is not"),
    ],
)
def test_one_services_files_are_not_judged_by_anothers_graph(
    make: Callable[..., Service], places: dict[str, None], said: str
) -> None:
    """In a store that was in use before there were marks; where it is one's own, one can say so."""
    service = make(**places)
    artifacts = ArtifactStore(service.settings.artifacts_url)
    ref = saved(artifacts, 1)
    age(service, ref.key)
    with pytest.raises(SpecError, match=said):
        clear(service, dry_run=False)
    service.artifacts.save("x", {"x": np.zeros(1)})  # which marks it
    with pytest.raises(SpecError, match=said) as refused:
        clear(service, dry_run=False)
    assert artifacts.load(ref)
    place = str(refused.value).rpartition("write the word first into ")[2]
    assert Path(place).read_bytes() == b"later"
    Path(place).write_text("first\n")
    assert clear(service, dry_run=False).artifacts.names == (ref.key,)


@pytest.mark.parametrize("places", [{}, {"graph": None}, {"graph": None, "artifacts": None}])
def test_a_graph_that_found_its_store_empty_is_cleared_wherever_that_lies(
    make: Callable[..., Service], places: dict[str, None]
) -> None:
    service = make(**places)
    assert clear(service, dry_run=False).artifacts.names == (), "nothing is there yet"
    ref = saved(service.artifacts, 3)
    again = saved(make(**places).artifacts, 4)
    age(service, ref.key, again.key)
    assert set(clear(make(**places), dry_run=False).artifacts.names) == {ref.key, again.key}
    (left,) = service.artifacts.files()
    assert left.key == f"graphs/{graph_id(service.store)}", "an old mark is no litter"


def test_a_place_that_cannot_be_listed_is_marked_all_the_same(
    make: Callable[..., Service],
) -> None:
    """A login of a bucket may be for objects alone: what is missing is then refused, too."""
    fsspec.register_implementation("unlisted", Unlisted, clobber=True)
    service = make(artifacts="unlisted://kept")
    service.artifacts.require_writable()
    ref = saved(service.artifacts, 6)
    assert saved(make(artifacts="unlisted://kept").artifacts, 6) == ref
    mark = f"graphs/{graph_id(service.store)}"
    assert service.artifacts.load_bytes(mark) == b"later", "nobody knows what else is there"
    service.artifacts.save_bytes(mark, b"first\n")
    make(artifacts="unlisted://kept").artifacts.require_writable()
    assert service.artifacts.load_bytes(mark) == b"first\n", "who said so is not overruled"


def test_a_place_that_a_job_can_not_mark_is_found_before_its_long_part(
    make: Callable[..., Service], store: GraphStore, tmp_path: Path
) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "graphs").touch()
    with pytest.raises(ResourceError, match=r"'graphs/.* cannot be written"):
        make().artifacts.require_writable()


def test_a_store_that_another_graph_has_marked_is_left_alone(
    make: Callable[..., Service], store: GraphStore
) -> None:
    service = make()
    ref = saved(service.artifacts, 5)
    age(service, ref.key)
    service.artifacts.save_bytes("graphs/another", b"later")
    with pytest.raises(SpecError, match=r"artifacts of other graphs are in .*graphs/another"):
        clear(service, dry_run=False)
    assert service.artifacts.load(ref)
    service.artifacts.delete("graphs/another")
    assert clear(service, dry_run=False).artifacts.names == (ref.key,)
