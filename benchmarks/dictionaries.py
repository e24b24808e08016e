"""Dictionaries that other tools make and run, read here: the same activations to 1e-5?

    python -m benchmarks.dictionaries ENVIRONMENTS [--only sae-lens] [--write]

ENVIRONMENTS is a folder with an environment for each tool, made from peers/requirements-*.txt where
it is not there. Each tool makes random dictionaries of every kind that it has, saves them in its
own format and runs them; the files are read here and run on the same inputs. Exits with 1 where an
activation or a reconstruction differs by more than 1e-5 of the largest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.page import put, versions
from benchmarks.peers.dictionary_results import FILE
from discovery.dictionaries.building import build, stored_tensors
from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.pickled import pickled_shapes
from graph_schema.dictionaries import describe, document_of, resolve

PEERS = Path(__file__).parent / "peers"
PAGE = Path(__file__).parent.parent / "docs" / "dictionaries.md"
TOOLS = {
    "sae-lens": "run_sae_lens.py",
    "sparsify": "run_sparsify.py",
    "dictionary-learning": "run_dictionary_learning.py",
    "circuit-tracer": "run_circuit_tracer.py",
}
TOLERANCE = 1e-5


def make_environment(tool: str, folder: Path) -> Path:
    """The tool's own environment, from its requirements."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        needs = PEERS / f"requirements-{tool}.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", needs], check=True)
    return python


def run_there(tool: str, python: Path, folder: Path) -> str:
    """What the tool says of its version, once it has written its dictionaries."""
    command = [python, PEERS / TOOLS[tool], folder]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr[-4000:])
    return json.loads(ran.stdout.strip().splitlines()[-1])[0]


def built(folder: Path) -> list[LinearDictionary]:
    found = describe(resolve(str(folder)), pickled=pickled_shapes)
    return [build(each, stored_tensors(each), document_of(each)) for each in found]


@torch.no_grad()
def differences(folder: Path) -> tuple[float, float]:
    """The largest difference of activations and of what is written, by the largest of each."""
    wanted, found = load_file(folder / FILE), built(folder)
    x = wanted["x"]
    acts = torch.cat([each.activations(x) for each in found], -1)
    layers = range(len(found))
    if len(found) == 1:
        written = [found[0].decode(found[0].encode(x), x)]
    else:
        written = [
            torch.stack(
                [each.decode(each.encode(x), x, layer) for each in found if layer in each.decoders]
            ).sum(0)
            for layer in layers
        ]
    output = torch.cat(written, -1)
    return _apart(acts, wanted["activations"]), _apart(output, wanted["output"])


def _apart(own: Tensor, theirs: Tensor) -> float:
    return float((own - theirs).abs().max() / theirs.abs().max())


def compare(tool: str, python: Path) -> tuple[str, list[tuple[str, float, float]]]:
    with tempfile.TemporaryDirectory() as folder:
        said = run_there(tool, python, Path(folder))
        places = sorted(file.parent for file in Path(folder).rglob(FILE))
        names = {place: place.relative_to(folder).parts[0] for place in places}
        return said, [(names[place], *differences(place)) for place in places]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("environments", type=Path)
    parser.add_argument("--only", choices=TOOLS, action="append")
    parser.add_argument("--write", action="store_true", help="write docs/dictionaries.md")
    asked = parser.parse_args()
    lines = [
        "| tool | dictionary | activations | reconstruction |",
        "| --- | --- | ---: | ---: |",
    ]
    worst = 0.0
    for tool in asked.only or TOOLS:
        python = make_environment(tool, asked.environments / tool)
        said, rows = compare(tool, python)
        for name, acts, output in rows:
            worst = max(worst, acts, output)
            lines.append(f"| {said} | {name} | {acts:.0e} | {output:.0e} |")
    head = (
        "Largest differences from what each tool computes of files that it wrote itself, as a "
        f"share of the largest value (`python -m benchmarks.dictionaries`; {versions()}):\n"
    )
    text = "\n".join([head, *lines])
    print(text)
    if asked.write:
        put("dictionaries", text, PAGE)
    if worst > TOLERANCE:
        sys.exit(f"the largest difference is {worst:.1e}; expected at most {TOLERANCE}")


if __name__ == "__main__":
    main()
