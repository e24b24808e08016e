"""A file of another tool becomes a circuit: dropped or chosen, checked as by `circuits import`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from graph_schema.documents import Ablation, ExchangeFormat, Metric
from graph_schema.errors import CircuitServiceError, ResourceError, SpecError
from workers.requests.checking import TASKS
from workers.requests.exchange import FORMATS, ImportRequest
from workers.web.fields import Field, values_of
from workers.web.site import Site
from workers.web.uploads import MOST_BYTES, Upload

PICKLED = ExchangeFormat.EAP_IG_PT
READ = {name: each for name, each in FORMATS.items() if each is not PICKLED}
_reading = threading.BoundedSemaphore(1)

FIELDS = (
    Field("model", "--model", "Model: a hub id, a folder, or a stored fingerprint's first digits"),
    Field("revision", "--revision", "Revision of a hub model"),
    Field("format", "--format", "Format", tuple(READ), empty="by its name and keys"),
    Field("task", "--task", "Built-in task that it is for", tuple(TASKS)),
    Field("pairs", "--pairs", "Pairs that the task makes", kind=int),
    Field("dataset", "--dataset", "Or pairs of your own: a JSONL file on the server's machine"),
    Field("heldout", "--heldout", "Pairs to judge it on, likewise"),
    Field(
        "metric",
        "--metric",
        "Metric of its scores",
        tuple(each.value for each in Metric),
        empty="as the file says",
    ),
    Field(
        "ablation",
        "--ablation",
        "Ablation",
        tuple(each.value for each in Ablation),
        empty="as the file says",
    ),
    Field("n_edges", "--edges", "Choose the best so many by its scores", kind=int),
    Field("threshold", "--threshold", "Or those that score at least this", kind=float),
    Field("by", "--by", "Choose by score", ("abs", "signed")),
)
_DEFAULTS = {each.name: each.default for each in fields(ImportRequest)}


def show(site: Site, request: Request) -> Response:
    """The form, filled in as the address says."""
    return _page(site, request, dict(request.query_params))


def store(
    site: Site, request: Request, given: Mapping[str, str], upload: Upload | None
) -> Response:
    """Store the file's circuit and lead to it; one that is refused comes back with the reason."""
    try:
        if upload is None:
            raise SpecError("no file: choose one, or drop it on the form")
        id = _imported(site, given, upload)
    except CircuitServiceError as error:
        refusal = str(error) if upload is None else upload.said(str(error))
        status = 503 if error.retryable or isinstance(error, ResourceError) else 400
        return _page(site, request, given, status, refusal=refusal)
    return RedirectResponse(f"/circuits/{id}", 303)


def _imported(site: Site, given: Mapping[str, str], upload: Upload) -> str:
    asked = ImportRequest(file=upload.place, **values_of(FIELDS, given))
    named = FORMATS.get(asked.format or "")
    if named is PICKLED or (named is None and upload.place.suffix == ".pt"):
        raise SpecError(
            f"{upload.name!r} is a .pt file, a pickle, which pages do not read; use EAP-IG's JSON, "
            f"or run on the server's machine: circuits import FILE --format {PICKLED}"
        )
    if not _reading.acquire(blocking=False):
        raise ResourceError("another file is being read; send this one again when that is done")
    try:
        return site.client.import_request(asked).circuit_id
    finally:
        _reading.release()


def most_bytes(site: Site) -> int:
    """Of a file: what the importer takes, and at most what pages do."""
    return min(MOST_BYTES, site.client.settings.limits.import_bytes)


def _page(
    site: Site, request: Request, given: Mapping[str, str], status: int = 200, refusal: str = ""
) -> Response:
    return site.page(
        request,
        "import.html",
        status,
        fields=FIELDS,
        defaults=_DEFAULTS,
        given={each.name: given.get(each.name, "") for each in FIELDS},
        most=most_bytes(site),
        refusal=refusal,
    )
