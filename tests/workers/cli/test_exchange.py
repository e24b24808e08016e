"""`export` and `import`: circuits leave and come back, and bad files leave nothing behind."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.cli.conftest import Circuits
from tests.workers.world import N_EDGES, World
from workers.cli.exits import ExitCode

ENDINGS = {
    "eap-ig": "json",
    "eap-ig-pt": "pt",
    "graphml": "graphml",
    "node-link": "json",
    "csv": "csv",
    "mib": "json",
    "neuronpedia": "json",
}


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    return {}


@pytest.fixture
def found(circuits: Circuits, world: World, known: dict[str, Any]) -> dict[str, Any]:
    """A circuit in the graph, found once."""
    if not known:
        asked = (*world.ask, "--edges", 12, "--json")
        known.update(circuits("run", *asked, world=world).json())
    return known


def shown(circuits: Circuits, world: World, circuit_id: str) -> dict[str, Any]:
    document = circuits("show", circuit_id, "--format", "json", world=world).json()
    for edge in document["edges"]:
        edge["name"] = f"{edge['sender']}->{edge['receiver']}<{edge['channel']}>"
    return document


@pytest.mark.parametrize("form", ENDINGS)
def test_every_format_brings_the_circuit_back(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"circuit.{ENDINGS[form]}"
    words = ("--format", form, "--out", file, "--json")
    ran = circuits("export", found["circuit_id"], *words, world=world).json()
    assert ran["bytes"] == file.stat().st_size
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    ran = circuits("import", file, "--model", world.model, "--json", world=world)
    back = ran.json()
    assert (back["n_edges"], back["format"]) == (
        found["n_edges"],
        {"mib": "eap-ig"}.get(form, form),
    )
    own, other = (shown(circuits, world, each["circuit_id"]) for each in (found, back))
    scores = [{edge["name"]: edge["score"] for edge in each["edges"]} for each in (own, other)]
    assert scores[1] == pytest.approx(scores[0], rel=1e-6)
    whole = form in ("eap-ig", "eap-ig-pt", "mib")
    assert back["n_edges_scored"] == (N_EDGES if whole else found["n_edges"])
    says = form in ("graphml", "node-link", "neuronpedia")
    assert back["task"] == ("pairs" if says else None)
    assert other["metric"] == ("logit_diff" if says else None)
    assert circuits("import", file, "--model", world.model, "--json", world=world).json() == back


def test_an_imported_circuit_is_first_class(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "circuit.json"
    circuits("export", found["circuit_id"], "--out", file, world=world)
    text = json.loads(file.read_text())
    file.write_text(json.dumps(text, indent=1))  # a file, so a circuit, of its own
    words = ("--model", found_fingerprint(circuits, world, found)[:12], "--json")
    made = circuits("import", file, *words, world=world).json()
    id = made["circuit_id"]
    assert not made["evaluated"]
    assert "not evaluated yet" in circuits("show", id, world=world).out
    listed = circuits("list", "--method", "imported", "--limit", 1, "--json", world=world).json()
    assert listed[0]["circuit_id"] == id
    assert listed[0]["faithfulness"] is None
    assert id[:12] in circuits("list", world=world).out
    unknown = circuits("evaluate", id, "--here", world=world)
    assert (unknown.code, unknown.out) == (ExitCode.REQUEST, "")
    assert "nobody has said" in unknown.err

    words = ("--dataset", world.pairs, "--model", world.model, "--here", "--json")
    judged = circuits("evaluate", id, *words, world=world).json()
    for figure in ("faithfulness", "heldout_faithfulness", "complement_faithfulness", "cmd", "cpr"):
        # Differences of losses over their gap: near 0 what is left is float32's rounding.
        assert judged[figure] == pytest.approx(found[figure], abs=1e-6)
    document = shown(circuits, world, id)
    assert document["evaluation_id"] == judged["job_id"]
    assert (document["task"], document["metric"], document["seed"]) == ("pairs", "logit_diff", 0)
    repeated = circuits("evaluate", id, "--here", "--json", world=world).json()
    assert repeated["job_id"] == judged["job_id"]
    for words, message in (
        (("--draws", 0), "draws is 0"),
        (("--draws", 2), "no ablation is given"),
    ):
        refused = circuits("import", file, "--model", world.model, *words, world=world)
        assert (refused.code, refused.out) == (ExitCode.REQUEST, "")
        assert message in refused.err
    none = circuits("evaluate", id, "--ablation", "resample", "--draws", 0, world=world)
    assert (none.code, none.out) == (ExitCode.REQUEST, "")
    assert "draws is 0" in none.err
    query = (
        "MATCH (c:Circuit {method: 'imported'}) WHERE c.faithfulness > -9 RETURN c.circuit_id AS id"
    )
    assert circuits("cypher", query, "--json", world=world).json() == [{"id": id}]
    again = circuits("import", file, "--model", world.model, "--json", world=world).json()
    assert again["evaluated"]
    other = circuits("import", file, "--model", world.model, "--task", "ioi", world=world)
    assert (other.code, other.out) == (ExitCode.REQUEST, "")
    assert "circuits evaluate" in other.err


def test_scores_without_a_circuit_choose_one(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path
) -> None:
    """What MIB's attribution submits; `--edges` keeps what the discovery kept by these scores."""
    file = tmp_path / "scores.json"
    circuits("export", found["circuit_id"], "--out", file, world=world)
    text = json.loads(file.read_text())
    for edge in text["edges"].values():
        edge["in_graph"] = False
    file.write_text(json.dumps(text))
    ask = ("import", file, "--model", world.model)
    none = circuits(*ask, world=world)
    assert (none.code, none.out) == (ExitCode.REQUEST, "")
    assert "choose with --edges N or --threshold X" in none.err
    made = circuits(*ask, "--edges", 12, "--json", world=world).json()
    own, other = (shown(circuits, world, each["circuit_id"]) for each in (found, made))
    assert {edge["name"] for edge in other["edges"]} == {edge["name"] for edge in own["edges"]}
    assert other["selection"] == own["selection"] == {"kind": "edges", "n_edges": 12, "by": "abs"}
    fewer = circuits(*ask, "--edges", 8, "--json", world=world).json()
    assert fewer["circuit_id"] != made["circuit_id"]
    least = min(abs(edge["score"]) for edge in own["edges"])
    same = circuits(*ask, "--threshold", repr(least), "--json", world=world).json()
    assert same["n_edges"] >= made["n_edges"]
    for words, message in (
        (("--edges", 5, "--threshold", 1), "edges and threshold are both given"),
        (("--edges", 0), "is 0; expected"),
        (("--threshold", "nan"), "threshold is NaN"),
        (("--by", "signed"), "nothing is chosen"),
        (("--threshold", 1e30), "keeps nothing: 0 of"),
    ):
        refused = circuits(*ask, *words, world=world)
        assert (refused.code, refused.out) == (ExitCode.REQUEST, "")
        assert message in refused.err


def test_a_file_of_neurons_is_refused(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "neurons.json"
    circuits("export", found["circuit_id"], "--out", file, world=world)
    text = json.loads(file.read_text())
    width = text["cfg"]["d_model"]
    for node in text["nodes"].values():
        node["neurons"] = [True] * (width // 2) + [False] * (width - width // 2)
    file.write_text(json.dumps(text))
    refused = circuits("import", file, "--model", world.model, world=world)
    assert (refused.code, refused.out) == (ExitCode.REQUEST, "")
    assert f"of neurons: {width // 2} of the {width}" in refused.err


def found_fingerprint(circuits: Circuits, world: World, found: dict[str, Any]) -> str:
    return shown(circuits, world, found["circuit_id"])["model"]["fingerprint"]


def test_export_never_harms_a_file(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("mine")
    words = ("export", found["circuit_id"], "--format", "csv", "--out")
    ran = circuits(*words, file, world=world)
    assert (ran.code, file.read_text()) == (ExitCode.REQUEST, "mine")
    assert "--force" in ran.err
    assert circuits(*words, file, "--force", world=world).code == ExitCode.DONE
    assert file.read_text().startswith("edge,sender,")
    assert "blocks.1.hook_resid_post" in file.read_text()
    assert circuits(*words, tmp_path / "no" / "x", world=world).code == ExitCode.REQUEST
    wrong = circuits(*words[:3], "gml", "--out", tmp_path / "x", world=world)
    assert "did you mean 'graphml'" in wrong.err
    assert [each.name for each in tmp_path.iterdir()] == ["mine.csv"]


RAN = Path(tempfile.gettempdir()) / "circuit-atlas-pickle-ran"


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (RAN,))


UNPACKED = 2**20


def zip_bomb() -> bytes:
    """Two kilobytes that are two mebibytes unpacked; the limit is lowered to one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("archive/data/0", bytes(2 * UNPACKED))
    return out.getvalue()


def saved(content: object) -> bytes:
    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


def eap_ig(name: str, score: str = "1.0") -> bytes:
    cfg = '{"n_layers": 2, "n_heads": 4, "parallel_attn_mlp": false}'
    edge = f'{{"{name}": {{"score": {score}, "in_graph": true}}}}'
    return f'{{"cfg": {cfg}, "nodes": {{}}, "edges": {edge}}}'.encode()


CSV = "sender,receiver,channel,score\n"
BOMB = b'<!DOCTYPE g [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>'
BAD: dict[str, tuple[str, bytes, str]] = {
    "pickled object": ("x.pt", saved({"cfg": Evil()}), "pickled objects"),
    "pickle alone": ("x.pt", pickle.dumps(Evil()), "pickled objects"),
    "zip bomb": ("x.pt", zip_bomb(), "unpacked; expected at most"),
    "deep JSON": ("x.json", b"[" * 10_000_000, "not JSON"),
    "entity bomb": ("x.graphml", BOMB, "document type"),
    "NaN": ("x.json", eap_ig("input->m0", "NaN"), "nan"),
    "infinite": ("x.json", eap_ig("input->m0", "1e999"), "inf is not a finite number"),
    "beyond float32": ("x.json", eap_ig("input->m0", "1e300"), "score 1e+300 is beyond float32"),
    "backwards": ("x.csv", (CSV + "m1,m0,r,1\n").encode(), "'m1->m0' runs backwards"),
    "no such head": ("x.csv", (CSV + "a0.h9,m1,r,1\n").encode(), "'a0.h9' is beyond"),
    "other sizes": ("x.json", eap_ig("input->m0").replace(b"4", b"5"), "n_heads 5, and"),
    "no format": ("x.txt", b"", "'x.txt' does not say its format"),
    "endless name": ("x.csv", (CSV + f"m{'1' * 9000},m0,r,1\n").encode(), "more than 9 digits"),
    "too large": ("x.csv", CSV.encode() + b" " * 1_300_000, "the limit is 1,200,000 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_by_name_and_nothing_is_stored(
    circuits: Circuits,
    world: World,
    found: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    name, data, message = BAD[case]
    limit = {"import_bytes": 1_200_000 if case == "too large" else 64 * 2**20}
    limits = world.settings.limits.model_copy(update=limit)
    bounded = World(world.settings.model_copy(update={"limits": limits}), world.model, world.pairs)
    monkeypatch.setenv("CIRCUITS_LIMITS__IMPORT_BYTES", str(limit["import_bytes"]))
    if case == "zip bomb":
        assert len(data) < UNPACKED
        monkeypatch.setattr("discovery.eap_ig_pt.MAX_BYTES", UNPACKED)
    (tmp_path / name).write_bytes(data)
    count = "MATCH (n) RETURN count(n) AS n"
    before = circuits("cypher", count, "--json", world=world).json()
    ran = circuits("import", tmp_path / name, "--model", world.model, world=bounded)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert message in ran.err
    assert len(ran.err) < 600
    assert circuits("cypher", count, "--json", world=world).json() == before
    assert not RAN.exists()
