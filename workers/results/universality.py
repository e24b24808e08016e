"""What a universality job found, as a client hands it out: states, verdicts, reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graph_schema.documents.motif_tests import MotifTest
from graph_schema.documents.role import Share
from graph_schema.documents.universality import ModelEvidence, SuperEdgeFinding, UniversalityReport
from graph_schema.documents.verdict import Verdict
from graph_schema.json_text import json_text
from graph_schema.printable import printable
from graph_schema.reports.universality import universality_text
from graph_schema.reports.universality_html import universality_html, universality_part
from graph_schema.reports.universality_markdown import universality_markdown
from graph_schema.reports.universality_tables import k_of_n, said_of, title

KEYS = ("motif", "task", "models", "verdicts", "assumptions", "stress")
NOT_THERE: dict[str, None] = {"alignment": None, "occurrences": None}


@dataclass(frozen=True)
class Universality:
    """Verdicts on a motif over models, and everything behind them (`document`)."""

    document: UniversalityReport
    state: str = "succeeded"

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """On the role, on the wiring, and on the wiring from member to member alone."""
        return self.document.verdicts

    @property
    def models(self) -> tuple[ModelEvidence, ...]:
        return self.document.models

    def to_html(self) -> str:
        """One self-contained page."""
        return universality_html(self.document)

    def to_markdown(self) -> str:
        return universality_markdown(self.document)

    def form(self, name: str) -> str:
        """The report as `text`, `markdown`, `json` or `html`."""
        if name == "json":
            return json_text(self.to_json(), indent=2) + "\n"
        forms = {"text": self.__str__, "markdown": self.to_markdown, "html": self.to_html}
        return forms[name]()

    def to_json(self, given: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The object that `--json` prints.

        Args:
            given: Fingerprint by model as somebody named it; each is listed so.
        """
        found = self.document
        return {
            "job_id": found.job_id,
            "state": self.state,
            "motif": found.motif,
            "task": found.task,
            "models": _models(found, given),
            "verdicts": [_verdict(found, each) for each in found.verdicts],
            "assumptions": list(found.assumptions),
            "stress": _stress(found),
            "alignment": found.alignment and found.alignment.model_dump(mode="json"),
            "occurrences": _family(found.occurrences),
        }

    @staticmethod
    def no_json() -> dict[str, Any]:
        """The same keys with nothing in them, of a job that failed."""
        empty: dict[str, Any] = dict.fromkeys(KEYS)
        return empty | {"models": [], "verdicts": [], "assumptions": []} | NOT_THERE

    def __repr__(self) -> str:
        found = self.document
        said = ", ".join(
            f"{said_of(each)} {each.outcome.value} ({k_of_n(each.pooled)})"
            for each in found.verdicts
        )
        return printable(f"<Universality of {title(found)}: {said or 'no verdict'}>")

    def __str__(self) -> str:
        return universality_text(self.document)

    def _repr_html_(self) -> str:
        return universality_part(self.document)


def _models(found: UniversalityReport, given: Mapping[str, str] | None) -> list[dict[str, Any]]:
    by_fingerprint = {each.fingerprint: each for each in found.models}
    if given is None:
        return [_model(found, each, each.model) for each in found.models]
    return [_model(found, by_fingerprint[of], name) for name, of in given.items()]


def _model(report: UniversalityReport, found: ModelEvidence, given: str) -> dict[str, Any]:
    moved = found.transduction
    return {
        "model": given,
        "fingerprint": found.fingerprint,
        "family": found.family,
        "rungs": {
            each.rung.value: {"state": each.state.value, "reason": each.reason}
            for each in found.rungs
        },
        "super_edges": [_edge(found, each) for each in found.super_edges if each.edge],
        **_flat("transduction", moved.moved if moved else None),
        **_flat("same_answer", moved.same_answer if moved else None),
        "circuits": list(found.circuits),
        "motif_in_circuits": found.motif_in_circuits,
        "edge_iou": found.edge_iou,
        "occurrences": [
            result.model_dump(mode="json", exclude={"motif", "motif_id"})
            for result in (report.occurrences.results if report.occurrences else ())
            if result.circuit_id in found.circuits
        ],
        "specificity": found.specificity
        and found.specificity.model_dump(mode="json", include={"job_id", "tasks", "cells"}),
        "jobs": found.jobs,
        "failures": found.failures,
    }


def _edge(model: ModelEvidence, found: SuperEdgeFinding) -> dict[str, Any]:
    edge = found.edge
    assert edge is not None
    dump = edge.model_dump(mode="json")
    kept = {name: dump[name] for name in ("sender", "channel", "receiver")}
    kept |= {name: dump[name] for name in ("share", "ci_low", "ci_high")}
    return kept | {
        **_flat("direct", edge.direct),
        "mediators": [each.model_dump(mode="json") for each in edge.mediators],
        "restored": [each.model_dump(mode="json") for each in model.restored],
        "controls": [each.model_dump(mode="json") for each in edge.controls],
        "is_bound": edge.is_bound,
        "state": found.state.value,
        "reason": found.reason,
        "wired": found.wired,
    }


def _flat(name: str, share: Share | None) -> dict[str, float | None]:
    """A share under its name, with its interval beside."""
    return {
        name: share.share if share else None,
        f"{name}_ci_low": share.ci_low if share else None,
        f"{name}_ci_high": share.ci_high if share else None,
    }


def _verdict(found: UniversalityReport, verdict: Verdict) -> dict[str, Any]:
    names = {each.fingerprint: each for each in found.models}
    return {
        "verdict_id": verdict.verdict_id,
        "rung": verdict.rung.value,
        "path": verdict.protocol.path if verdict.protocol else None,
        "outcome": verdict.outcome.value,
        "k": verdict.pooled.present,
        "n": verdict.pooled.n,
        "untestable": verdict.pooled.untestable,
        "low": verdict.pooled.low,
        "high": verdict.pooled.high,
        "families": [
            {
                "family": each.family,
                "k": each.present,
                "n": each.n,
                "untestable": each.untestable,
                "low": each.low,
                "high": each.high,
            }
            for each in verdict.families
        ],
        "over_families": _tally(verdict),
        "counterexamples": [
            {
                "model": names[each.fingerprint].model,
                "fingerprint": each.fingerprint,
                "family": each.family,
                "reason": here.reason if (here := each.at(verdict.rung)) else "",
            }
            for each in verdict.counterexamples
        ],
        "equivalence": [each.model_dump(mode="json") for each in verdict.equivalence],
        "scope": verdict.scope,
        "falsifiers": list(verdict.falsifiers),
    }


def _tally(verdict: Verdict) -> dict[str, Any] | None:
    over = verdict.over_families
    if over is None:
        return None
    return {"k": over.present, "n": over.n, "low": over.low, "high": over.high}


def _family(test: MotifTest | None) -> dict[str, Any] | None:
    """The test that every model's `occurrences` are results of."""
    if test is None:
        return None
    own: dict[str, Any] = test.model_dump(mode="json", include={"alpha", "draws", "seed"})
    return {"test_id": test.test_id, **own, "tests": len(test.results), "family": test.family}


def _stress(found: UniversalityReport) -> dict[str, Any] | None:
    stress = found.stress
    if stress is None:
        return None
    return {
        "what": stress.what,
        "ablation": stress.protocol.ablation.kind.value,
        "metric": stress.protocol.metric.value,
        "states": {
            of: {each.rung.value: each.state.value for each in rungs}
            for of, rungs in stress.states.items()
        },
        "moves": [each.model_dump(mode="json") for each in stress.moves],
    }
