"""A request for a circuit, as a form, with what it will need beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import get_args

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from graph_schema.documents import Ablation, Metric
from graph_schema.documents.evaluation import Preset
from graph_schema.documents.jobs import MeasuredSpec, Placement
from graph_schema.errors import CircuitServiceError, SpecError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.models import find_model
from graph_schema.store.records.overview import job_of_model
from workers.requests.checking import METHODS, TASKS
from workers.requests.discover import DiscoverRequest
from workers.settings import Settings
from workers.web.commands import run_command
from workers.web.fields import Field, options_of, values_of
from workers.web.site import Site

FIELDS = (
    Field(
        "model", "--model", "Model: a hub id, a folder, a .gguf file, or zoo:llama/1", needed=True
    ),
    Field("revision", "--revision", "Revision of a hub model"),
    Field("task", "--task", "Built-in task", tuple(TASKS)),
    Field("pairs", "--pairs", "Pairs that the task makes", kind=int),
    Field("dataset", "--dataset", "Or your own pairs: a JSONL file on the server's machine"),
    Field("heldout", "--heldout", "Pairs to judge it on, likewise"),
    Field("method", "--method", "Method", tuple(METHODS), empty="as suits"),
    Field("n_edges", "--edges", "Keep so many edges", kind=int),
    Field("threshold", "--threshold", "Or those that score at least this", kind=float),
    Field("granularity", "--granularity", "Nodes are", ("head", "neuron")),
    Field(
        "metric",
        "--metric",
        "Metric",
        tuple(each.value for each in Metric),
        empty="as the task has it",
    ),
    Field("ablation", "--ablation", "Ablation", tuple(each.value for each in Ablation)),
    Field("evaluation", "--evaluation", "Evaluation", get_args(Preset)),
    Field("seed", "--seed", "Seed", kind=int),
    Field(
        "dtype", "--dtype", "Computed in", get_args(MeasuredSpec.model_fields["dtype"].annotation)
    ),
    Field("device", "--device", "Device: cpu, cuda"),
    Field("priority", "--priority", "Priority, 0 to 9", tuple("0123456789"), kind=int),
)
_DEFAULTS = {each.name: each.default for each in fields(DiscoverRequest)}


def show(site: Site, request: Request) -> Response:
    """The form, filled in as the address says; `of` is a stored model, by its fingerprint."""
    given = dict(request.query_params)
    if (of := given.get("of")) and not given.get("model"):
        given |= place_of_model(site.service.store, of)
    return _page(site, request, given)


def place_of_model(store: GraphStore, fingerprint: str) -> dict[str, str]:
    """Where a stored model lay when its newest circuit was found, as the form's fields.

    Raises:
        NotFoundError: No stored model has this fingerprint.
    """
    job_id = job_of_model(store, fingerprint)
    found = jobs.get_all(store, [job_id]) if job_id is not None else ()
    if not found:  # its name, which is a hub model's id
        return {"model": find_model(store, fingerprint).name}
    lay = Placement.model_validate_json(found[0].placement).model
    return {"model": lay.name, "revision": lay.revision or ""}


def send(site: Site, request: Request, given: Mapping[str, str]) -> Response:
    """Submit the job, or plan it; a request that is wrong comes back with what to change."""
    try:
        asked = request_of(given)
        if given.get("do") == "plan":
            return _page(site, request, given, plan=planned(site.client.settings, given))
        job = site.client.submit_request(asked, force="force" in given)
    except CircuitServiceError as error:
        return _page(site, request, given, 503 if error.retryable else 400, refusal=str(error))
    return RedirectResponse(f"/jobs/{job.job_id}", 303)


def request_of(given: Mapping[str, str]) -> DiscoverRequest:
    """The request that a form asks for; a field that is left empty is left out.

    Raises:
        SpecError: A field is not what it should be.
    """
    values = values_of(FIELDS, given)
    if "model" not in values:
        raise SpecError("no model: name a hub id, a folder or a .gguf file")
    return DiscoverRequest(**values)


def planned(settings: Settings, given: Mapping[str, str]) -> str:
    """What the job will need, as `circuits plan` says it.

    Raises:
        SpecError: The request is wrong.
        ResourceError: Another plan is being made, or this one takes too long.
    """
    return run_command(settings, ["plan", *options_of(FIELDS, given)], "plan")


def _page(
    site: Site,
    request: Request,
    given: Mapping[str, str],
    status: int = 200,
    *,
    plan: str = "",
    refusal: str = "",
) -> Response:
    return site.page(
        request,
        "submit.html",
        status,
        fields=FIELDS,
        defaults=_DEFAULTS,
        given={each.name: given.get(each.name, "") for each in FIELDS},
        force="force" in given,
        plan=plan,
        refusal=refusal,
    )
