"""Requests that go on from what is stored: a circuit to judge, a roles job."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from graph_schema.documents import Motif
from graph_schema.errors import ModelUnavailable, NotFoundError, SpecError
from graph_schema.models.fingerprint import is_path
from graph_schema.store import jobs
from graph_schema.store.records.circuits import read_circuit, read_header
from graph_schema.store.records.models import stored_model
from workers.client.service import Service
from workers.requests.discover import Submission
from workers.requests.effects import EffectsRequest, build_effects
from workers.requests.evaluate import EvaluateRequest, build_evaluation
from workers.requests.roles import roles_of
from workers.requests.specificity import SpecificityRequest, build_specificity
from workers.requests.zoo_names import place_of


def evaluation_asked(service: Service, request: EvaluateRequest) -> Submission:
    """The checked request to judge a circuit.

    Raises:
        SpecError: It is wrong; the message says what to change.
        NotFoundError: No circuit, or more than one, has the id.
        ModelUnavailable: Its model is not where it was, and nobody says where it is.
    """
    circuit = read_circuit(service.store, request.circuit)
    job = None
    if (job_id := circuit.job_id or circuit.evaluation_id) is not None:
        with suppress(NotFoundError):  # a circuit may be older than what is known of its job
            job = jobs.get(service.store, job_id)
    settings = service.settings
    if request.model is not None:
        request = replace(request, model=place_of(request.model, settings.cache_dir))
    made = build_evaluation(
        request,
        circuit,
        job,
        settings.limits,
        settings.cache_dir,
        known=lambda fingerprint: stored_model(service.store, fingerprint),
    )
    place = made.placement.model.name
    if settings.local and request.model is None and is_path(place) and not Path(place).exists():
        raise ModelUnavailable(  # the path is another request's: it is not named
            f"the model of circuit {circuit.circuit_id[:12]}, {circuit.model.name!r}, is not "
            "where it was found any more; say where it lies now (--model)"
        )
    return made


def roles_of_circuit(service: Service, circuit: str) -> Submission:
    """The checked request for the roles in a circuit's model on the circuit's own pairs.

    Raises:
        SpecError: No job found it.
        NotFoundError: No circuit, or more than one, has the id; or its job is gone.
    """
    found = read_header(service.store, circuit)
    if found.job_id is None:
        raise SpecError(
            f"circuit {found.circuit_id[:12]} came with a file of another tool: no job has its "
            "pairs; name model and task yourself (circuits roles)"
        )
    return roles_of(jobs.get(service.store, found.job_id))


def effects_asked(service: Service, request: EffectsRequest) -> Submission:
    """The checked request to measure what roles carry to each other.

    Raises:
        SpecError: It is wrong; the message says what to change.
        NotFoundError: No job, or more than one, has the id.
    """
    from graph_schema.motif_search import motif_named
    from graph_schema.motifs import catalogue

    job, settings = jobs.get(service.store, request.roles_job), service.settings
    if request.model is not None:
        request = replace(request, model=place_of(request.model, settings.cache_dir))

    def named(name: str) -> Motif:
        return catalogue().get(name) or motif_named(service.store, name)

    return build_effects(
        request,
        job,
        named,
        settings.limits,
        settings.cache_dir,
        known=lambda fingerprint: stored_model(service.store, fingerprint),
    )


def specificity_asked(service: Service, request: SpecificityRequest) -> Submission:
    """The checked request to ablate roles on several tasks.

    Raises:
        SpecError: It is wrong; the message says what to change.
        NotFoundError: No job, or more than one, has an id.
    """
    if request.model is not None:
        place = place_of(request.model, service.settings.cache_dir)
        request = replace(request, model=place)
    return build_specificity(request, lambda job_id: jobs.get(service.store, job_id))
