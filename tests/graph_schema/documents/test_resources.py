"""What a job needs and what a worker serves, and the names of queues that come of it."""

from __future__ import annotations

import json

import pytest

from graph_schema.documents.jobs import (
    DEMANDS,
    Demand,
    Device,
    Offer,
    demand_of,
    memory_class,
    parse_offer,
    served,
)

LAPTOP = Offer({Device.CPU: 7})
SERVER = Offer({Device.CPU: 128, Device.CUDA: 79})


@pytest.mark.parametrize(
    ("placed", "name"),
    [
        ({}, "cpu"),
        ({"device": "cpu"}, "cpu"),
        ({"device": "auto", "memory_gib": 9}, "cpu-16g"),
        ({"device": "cuda"}, "cuda"),
        ({"device": "cuda:1", "memory_gib": 64}, "cuda-64g"),
        ({"device": "mps", "memory_gib": 1}, "mps-8g"),
        ({"device": "gpu"}, "cpu"),
        ({"memory_gib": 99_999}, "cpu-1024g"),
        ({"memory_gib": "much"}, "cpu"),
        ([], "cpu"),
    ],
)
def test_a_placement_of_any_version_says_what_its_job_needs(placed: object, name: str) -> None:
    demand = demand_of(json.dumps(placed))
    assert demand.name == name
    assert demand in DEMANDS


def test_what_is_no_json_needs_nothing_special() -> None:
    assert demand_of("{") == Demand()


def test_each_thing_that_a_job_may_need_has_a_name_of_its_own() -> None:
    assert len({demand.name for demand in DEMANDS}) == len(DEMANDS)


@pytest.mark.parametrize(("gib", "rounded"), [(1, 8), (8, 8), (9, 16), (513, 1024), (2000, 1024)])
def test_memory_is_rounded_up_to_its_class(gib: int, rounded: int) -> None:
    assert memory_class(gib) == rounded


def test_a_worker_serves_what_it_has_and_less() -> None:
    assert [str(demand) for demand in LAPTOP.demands()] == ["cpu"]
    assert [demand.name for demand in SERVER.demands()] == [
        *("cuda-64g", "cuda-32g", "cuda-16g", "cuda-8g", "cuda"),
        *("cpu-128g", "cpu-64g", "cpu-32g", "cpu-16g", "cpu-8g", "cpu"),
    ]
    alone = Offer({Device.CUDA: 8})
    assert [demand.name for demand in alone.demands()] == ["cuda-8g", "cuda"]


@pytest.mark.parametrize(
    ("offer", "gib", "device"),
    [(LAPTOP, None, "cpu"), (SERVER, None, "cuda"), (SERVER, 64, "cuda"), (SERVER, 65, "cpu")],
)
def test_a_job_that_takes_what_there_is_goes_to_a_gpu_that_holds_it(
    offer: Offer, gib: int | None, device: str
) -> None:
    assert offer.device(gib) == device


def test_an_offer_reads_as_it_is_written() -> None:
    assert parse_offer(str(SERVER)) == SERVER.gib
    assert parse_offer("cuda, cpu:4") == {Device.CUDA: None, Device.CPU: 4}
    assert served([LAPTOP, SERVER]) == "cpu with 128 GiB, cuda with 79 GiB"


@pytest.mark.parametrize("text", ["", "gpu", "cpu:", "cpu:-1", "cpu:many", "cpu,cpu", "auto"])
def test_an_offer_that_names_no_device_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cpu, cuda, mps"):
        parse_offer(text)
