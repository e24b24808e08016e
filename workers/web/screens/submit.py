"""A request for a circuit, as a form, with what it will need beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from graph_schema.documents import Ablation, Metric
from graph_schema.documents.evaluation import Preset
from graph_schema.documents.jobs import MeasuredSpec
from graph_schema.errors import CircuitServiceError, ResourceError, SpecError
from workers.requests.checking import METHODS, TASKS
from workers.requests.discover import DiscoverRequest
from workers.settings import Settings
from workers.web.site import Site

PLAN_SECONDS = 120
_planning = threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class Field:
    """A field of the form: the option of `circuits submit` that it stands for.

    Attributes:
        name: Of `DiscoverRequest`; `option` its name on the command line.
        choices: What it may be; () is any text.
        kind: What a number is read as.
    """

    name: str
    option: str
    says: str
    choices: tuple[str, ...] = ()
    kind: type[int] | type[float] | None = None
    needed: bool = False

    def read(self, text: str) -> Any:
        """The value that a user typed.

        Raises:
            SpecError: It is no number.
        """
        if self.kind is None:
            return text
        try:
            return self.kind(text)
        except ValueError as error:
            kind = "a whole number" if self.kind is int else "a number"
            raise SpecError(f"{self.name} is {text!r}; expected {kind}") from error


FIELDS = (
    Field(
        "model", "--model", "Model: a hub id, a folder, a .gguf file, or zoo:llama/1", needed=True
    ),
    Field("revision", "--revision", "Revision of a hub model"),
    Field("task", "--task", "Built-in task", tuple(TASKS)),
    Field("pairs", "--pairs", "Pairs that the task makes", kind=int),
    Field("dataset", "--dataset", "Or your own pairs: a JSONL file on the server's machine"),
    Field("heldout", "--heldout", "Pairs to judge it on, likewise"),
    Field("method", "--method", "Method", tuple(METHODS)),
    Field("n_edges", "--edges", "Keep so many edges", kind=int),
    Field("threshold", "--threshold", "Or those that score at least this", kind=float),
    Field("granularity", "--granularity", "Nodes are", ("head", "neuron")),
    Field("metric", "--metric", "Metric", tuple(each.value for each in Metric)),
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
    """The form, filled in as the address says."""
    return _page(site, request, dict(request.query_params))


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
    values = {each.name: each.read(text) for each, text in _filled(given)}
    if "model" not in values:
        raise SpecError("no model: name a hub id, a folder or a .gguf file")
    return DiscoverRequest(**values)


def options_of(given: Mapping[str, str]) -> list[str]:
    """The same as options of the command line."""
    return [f"{each.option}={text}" for each, text in _filled(given)]


def planned(settings: Settings, given: Mapping[str, str]) -> str:
    """What the job will need, as `circuits plan` says it, in a process of its own: it takes torch.

    Raises:
        SpecError: The request is wrong.
        ResourceError: Another plan is being made, or this one takes too long.
    """
    if not _planning.acquire(blocking=False):
        raise ResourceError("another plan is being made; ask again when it is done")
    try:
        ran = subprocess.run(
            [
                sys.executable,
                "-P",  # else a folder `workers` where the server was started is taken for ours
                "-c",
                "from workers.cli import main; main()",
                "plan",
                *options_of(given),
            ],
            env=settings.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PLAN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ResourceError(f"the plan took longer than {PLAN_SECONDS} s") from error
    finally:
        _planning.release()
    if ran.returncode:
        raise SpecError(ran.stderr.strip().removeprefix("error: ") or "the plan failed")
    return ran.stdout


def _filled(given: Mapping[str, str]) -> list[tuple[Field, str]]:
    filled = ((each, given.get(each.name, "").strip()) for each in FIELDS)
    return [(each, text) for each, text in filled if text]


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
