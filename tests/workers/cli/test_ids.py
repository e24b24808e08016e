"""An id of another kind, or that is none, is refused by name: by the client and by `circuits`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from graph_schema.documents import DatasetData, ModelId
from graph_schema.documents.jobs import EvaluateSpec
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store import GraphStore, jobs
from tests.graph_schema.store.test_jobs import PLACEMENT
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient

SPEC = EvaluateSpec(
    circuit_id="ef" * 32,
    model=ModelId(fingerprint="ab" * 32),
    data=DatasetData(sha256="cd" * 32, task="made"),
)
JOB = SPEC.job_id
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
NO_IDS = {
    "a digit too many": JOB + "0",
    "upper case": JOB.upper(),
    "digits of another script": JOB.translate(ARABIC),
    "wide digits": JOB.translate(str.maketrans("0123456789", "０１２３４５６７８９")),  # noqa: RUF001
    "a path": f"../{JOB}",
    "a folder": f"{JOB}/..",
    "an absolute path": "/etc/passwd",
    "a line more": JOB + "\n",
    "a null": JOB + "\x00",
    "nothing": "",
    "all": "%",
}
FOR_A_CIRCUIT: dict[str, Callable[[CircuitClient, str], Any]] = {
    "circuit": lambda client, id: client.circuit(id),
    "evaluations": lambda client, id: client.evaluations(id),
    "evaluate": lambda client, id: client.evaluate(id),
    "compare": lambda client, id: client.compare(id, id),
    "labels": lambda client, id: client.labels(id),
}


@pytest.fixture
def client(world: World) -> Generator[CircuitClient]:
    with GraphStore(world.settings.store_address()) as store:
        jobs.submit(store, SPEC, PLACEMENT)
    with CircuitClient(settings=world.settings) as connected:
        yield connected


@pytest.mark.parametrize("wanted", FOR_A_CIRCUIT)
def test_a_job_s_id_is_no_circuit_s(client: CircuitClient, wanted: str) -> None:
    for given in (JOB, JOB[:12]):
        with pytest.raises(
            NotFoundError, match=rf"{given}'.*a job has it \(evaluate\).*circuits job "
        ):
            FOR_A_CIRCUIT[wanted](client, given)


def test_a_job_of_another_kind_is_refused(client: CircuitClient) -> None:
    with pytest.raises(SpecError, match=r"is of kind 'evaluate'; expected a roles job"):
        client.effects(JOB)
    with pytest.raises(NotFoundError, match="no verdict and no universality job"):
        client.report(JOB)


@pytest.mark.parametrize("kind", NO_IDS)
def test_what_is_no_id_is_found_nowhere(client: CircuitClient, kind: str) -> None:
    given = NO_IDS[kind]
    for ask in (client.job, client.circuit, client.labels, client.deletion):
        with pytest.raises(NotFoundError) as error:
            ask(given)
        assert repr(given)[1:-1] in str(error.value)


@pytest.mark.parametrize("given", ["\ud800", "\udcff" * 64], ids=["half", "no UTF-8"])
def test_what_is_no_text_is_refused(
    circuits: Circuits, world: World, client: CircuitClient, given: str
) -> None:
    for ask in (client.job, client.circuit, client.labels, client.deletion):
        with pytest.raises(SpecError, match="expected text in UTF-8"):
            ask(given)
    refused = circuits("job", given, world=world)
    assert refused.code == ExitCode.REQUEST, refused.err


def test_an_id_of_a_megabyte_is_not_repeated(client: CircuitClient) -> None:
    for ask in (client.job, client.circuit):
        with pytest.raises(NotFoundError) as error:
            ask("f" * 2**20)
        assert len(str(error.value)) < 400


def test_the_first_63_digits_are_the_job_s(client: CircuitClient) -> None:
    assert client.job(JOB[:63]).job_id == JOB


def test_the_command_line_says_the_same(
    circuits: Circuits, world: World, client: CircuitClient
) -> None:
    for words in (("show",), ("evaluate",), ("motifs", "find", "induction")):
        refused = circuits(*words, JOB, world=world)
        assert refused.code == ExitCode.REQUEST, refused.err
        assert "a job has it (evaluate)" in refused.err
        assert not refused.out
    for given in (JOB.upper(), f"../{JOB}", JOB.translate(ARABIC)):
        for words in (("show",), ("job",), ("delete", "--yes")):
            refused = circuits(*words, given, world=world)
            assert refused.code == ExitCode.REQUEST, refused.err
            assert given in refused.err
    assert client.job(JOB).job_id == JOB, "nothing was deleted"
