"""A real model's attribution graph: what it costs, and what it says."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from discovery.jobs.trace import TracedCircuit, trace_prompt
from discovery.models.inspecting import inspect_model
from discovery.models.load import load_model
from discovery.tasks.vocabulary import Vocabulary
from discovery.tracing.prompt import logit_piece, read_prompt
from graph_schema.documents import Limits, ModelSource
from graph_schema.documents.jobs import TraceSpec
from graph_schema.errors import SpecError

pytestmark = [pytest.mark.slow, pytest.mark.needs_real_models]
TEXT = "Paris is the capital of France. Rome is the capital of Italy. The capital of Spain is"


def spec(**changed: object) -> TraceSpec:
    return TraceSpec.model_validate(
        {"model": {"fingerprint": "0" * 40}, "prompt": TEXT, "targets": (" Madrid",)} | changed
    )


def test_a_graph_of_all_neurons_is_quick_and_the_same_again(smollm2_folder: Path) -> None:
    source = ModelSource(name=str(smollm2_folder))
    inspected = inspect_model(source)
    vocabulary = Vocabulary(inspected.d_vocab, inspected.tokenizer, n_ctx=inspected.n_ctx)
    with pytest.raises(SpecError, match="expected one: mind the blank"):
        read_prompt(spec(targets=(" Madrid Barcelona",)), vocabulary, Limits())
    with pytest.raises(SpecError, match="longer prompt"):
        read_prompt(spec(prompt="Paris"), vocabulary, Limits())
    asked = spec(method={"max_feature_nodes": 800})
    prompt = read_prompt(asked, vocabulary, Limits())
    assert "".join(prompt.pieces) == TEXT
    model = load_model(source, fingerprint=None)

    def run() -> TracedCircuit:
        return trace_prompt(
            asked,
            model,
            prompt,
            progress=lambda stage, done, total: None,
            say=lambda token: logit_piece(token, vocabulary),
        )

    started = time.process_time()
    first = run()
    assert time.process_time() - started < 60
    second = run()
    circuit = first.circuit
    assert circuit == second.circuit
    np.testing.assert_array_equal(
        first.arrays["nodes"]["influence"],
        second.arrays["nodes"]["influence"],
    )
    (logit,) = [node for node in circuit.nodes if node.name.startswith("logits")]
    assert logit.label == " Madrid"
    assert logit.probability is not None
    assert logit.probability > 0.1
    effects = {node.name: node.effect or 0.0 for node in circuit.nodes}
    asked_of, *others = (
        effects[f"input@{prompt.pieces.index(name)}"] for name in (" Spain", " France", " Italy")
    )
    assert asked_of > 2 * max(others)
