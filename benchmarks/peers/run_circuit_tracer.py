"""Transcoders that circuit-tracer makes, saves and runs; called by benchmarks/dictionaries.py."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch
import yaml
from circuit_tracer.transcoder.activation_functions import JumpReLU, TopK
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder
from dictionary_results import UNITS, D, inputs, keep, randomise

CASES = ("relu", "jumprelu", "topk", "skip")
LAYERS = 3


def _activation(name: str) -> object:
    if name == "jumprelu":
        return JumpReLU(torch.zeros(UNITS), 0.1)
    return TopK(9) if name == "topk" else torch.nn.functional.relu


def _config(place: Path, kind: str, **more: object) -> None:
    said = {"model_kind": kind, "model_name": "gpt2", "feature_output_hook": "hook_mlp_out"}
    (place / "config.yaml").write_text(yaml.safe_dump({**said, **more}))


def main() -> None:
    folder, cpu = Path(sys.argv[1]), torch.device("cpu")
    for seed, name in enumerate(CASES):
        made = SingleLayerTranscoder(
            D, UNITS, _activation(name), 1, name == "skip", device=cpu, dtype=torch.float32
        )
        randomise(made, seed)
        if name == "jumprelu":  # negative values pass, and are kept
            made.activation_function.threshold.data -= 0.5
        place = folder / name
        place.mkdir(parents=True)
        made.to_safetensors(str(place / "layer_1.safetensors"))
        topk = {"activation": "topk", "k": 9} if name == "topk" else {}
        _config(place, "transcoder_set", feature_input_hook="mlp.hook_in", **topk)
        acts = made.encode(inputs())
        keep(place, acts, made.decode(acts, inputs()))
    place = folder / "cross-layer"
    made = CrossLayerTranscoder(
        LAYERS, UNITS, D, activation_function="jump_relu", lazy_decoder=False, device=cpu,
        dtype=torch.float32,
    )  # fmt: skip
    randomise(made, 9)
    made.to_safetensors(str(place))
    _config(place, "cross_layer_transcoder", feature_input_hook="hook_resid_mid")
    acts = made.encode(inputs().expand(LAYERS, -1, -1))
    written = made.decode(acts.to_sparse())
    keep(place, acts.transpose(0, 1).flatten(1), written.transpose(0, 1).flatten(1))
    print(json.dumps([f"circuit-tracer {version('circuit-tracer')}"]))


main()
