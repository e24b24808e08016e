"""Dictionaries that SAELens makes, saves and runs; called by benchmarks/dictionaries.py."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dictionary_results import UNITS, D, inputs, keep, randomise
from sae_lens.saes.gated_sae import GatedSAE, GatedSAEConfig
from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.saes.standard_sae import StandardSAE, StandardSAEConfig
from sae_lens.saes.topk_sae import TopKSAE, TopKSAEConfig
from sae_lens.saes.transcoder import (
    JumpReLUSkipTranscoder,
    JumpReLUSkipTranscoderConfig,
    JumpReLUTranscoder,
    JumpReLUTranscoderConfig,
    SkipTranscoder,
    SkipTranscoderConfig,
    Transcoder,
    TranscoderConfig,
)

TRANSCODER: dict[str, Any] = {"d_out": D, "apply_b_dec_to_input": False}
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "standard": (StandardSAE, StandardSAEConfig, {}),
    "standard, bias left": (StandardSAE, StandardSAEConfig, {"apply_b_dec_to_input": False}),
    "layer norm": (StandardSAE, StandardSAEConfig, {"normalize_activations": "layer_norm"}),
    "constant norm": (
        StandardSAE,
        StandardSAEConfig,
        {"normalize_activations": "constant_norm_rescale"},
    ),
    "jumprelu": (JumpReLUSAE, JumpReLUSAEConfig, {}),
    "topk": (TopKSAE, TopKSAEConfig, {"k": 9}),
    "topk by norm": (TopKSAE, TopKSAEConfig, {"k": 9, "rescale_acts_by_decoder_norm": True}),
    "gated": (GatedSAE, GatedSAEConfig, {}),
    "transcoder": (Transcoder, TranscoderConfig, TRANSCODER),
    "skip transcoder": (SkipTranscoder, SkipTranscoderConfig, TRANSCODER),
    "jumprelu transcoder": (JumpReLUTranscoder, JumpReLUTranscoderConfig, TRANSCODER),
    "jumprelu skip transcoder": (
        JumpReLUSkipTranscoder,
        JumpReLUSkipTranscoderConfig,
        TRANSCODER,
    ),
}


def main() -> None:
    folder = Path(sys.argv[1])
    for seed, (name, (kind, config, more)) in enumerate(CASES.items()):
        about = {"hook_name": "blocks.1.hook_mlp_out", "sae_lens_version": version("sae-lens")}
        if "transcoder" in name:
            about |= {"hook_name": "blocks.1.mlp.hook_in", "hook_name_out": "blocks.1.hook_mlp_out"}
        sae = kind(config(d_in=D, d_sae=UNITS, metadata=SAEMetadata(**about), **more))
        randomise(sae, seed)
        place = folder / name
        sae.save_model(place)
        keep(place, sae.encode(inputs()), sae(inputs()))
    print(json.dumps([f"sae-lens {version('sae-lens')}"]))


main()
