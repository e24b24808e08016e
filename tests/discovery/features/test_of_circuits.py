"""A job's circuits have their units described, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from discovery.dictionaries import LinearDictionary
from discovery.features import TokenTexts, describe
from discovery.models import load_model
from discovery.tasks.base import TokenPair
from graph_schema.circuit_arrays import FEATURES
from graph_schema.documents import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Features,
    ModelSource,
    Place,
    Reading,
    Site,
)
from tests.compiled import Twin
from tests.discovery.jobs.test_feature_discovery import data, run, sae


def test_every_neuron_of_a_circuit_is_described() -> None:
    found = run()
    assert found.features is not None
    (circuit,) = found.circuits
    assert {each.name for each in found.features.units} == set(circuit.unit_names)
    assert {each.dataset_sha256 for each in found.features.units} == {data().document.sha256}
    assert len(found.features.heldout) == len({pair.clean for pair in data().heldout})
    stored = Features.model_validate_json(np.asarray(found.arrays[FEATURES][FEATURES]).tobytes())
    assert stored == found.features
    figures = {node.name: node for node in circuit.nodes}
    assert all(figures[each.name].effect is not None for each in found.features.units)
    assert "features" in found.cpu_seconds


def test_features_of_a_dictionary_name_it(tmp_path: Path) -> None:
    loaded = sae(tmp_path)
    document = loaded[0].document
    found = run(
        loaded,
        granularity="dictionary",
        dictionaries=[document.model_dump()],
    )
    assert found.features is not None
    assert {each.dictionary_id for each in found.features.units} == {document.dictionary_id}
    assert all(each.name.startswith("m1.f") for each in found.features.units)


def test_circuits_of_heads_have_none() -> None:
    found = run(granularity="head", method={"name": "eap"}, candidates=None)
    assert found.features is None
    assert FEATURES not in found.arrays
    assert "features" not in found.cpu_seconds


def test_units_of_a_compiled_program_are_told_in_its_names(tmp_path: Path) -> None:
    """The second head writes the token that came next before: unit t is its direction of token t.

    The program's outputs are its tokens in reverse order, without BOS.
    """
    twin = Twin(bos=True, named_outputs=True)
    source = ModelSource(name=str(twin.write(tmp_path / "program")))
    model = load_model(source, fingerprint=None)
    adapter = model.adapter
    assert model.names is not None
    rows = adapter.logits(torch.eye(adapter.shape.d_model)).T  # one an output: t13 … t0
    site = Site(reads=Place.HEAD_OUT, writes=Place.HEAD_OUT, layer=1, head=twin.second)
    dictionary = LinearDictionary(
        DictionaryDocument(
            kind=DictionaryKind.SAE,
            site=site,
            width=len(rows),
            reading=Reading(activation=Activation.RELU),
            sha256="0" * 64,
        ),
        rows,
        {1: rows},
        torch.zeros(adapter.shape.d_model),
        torch.full((len(rows),), -0.5),
    )
    rng = np.random.default_rng(0)
    pairs = tuple(_repeated(rng, twin, number) for number in range(60))
    texts = TokenTexts(model.tokenizer, model.names)
    found = describe(adapter, [(dictionary, range(4))], pairs[:30], pairs[30:], texts)
    for unit, each in enumerate(found.units):
        name = f"t{13 - unit}"
        assert (each.promotes[0].token, each.promotes[0].text) == (unit, name)
        assert each.name == f"a1.h{twin.second}.f{unit}"
        assert each.examples
        for shown in each.examples:
            assert shown.tokens[0] == " BOS"
            tokens = [token.strip() for token in shown.tokens]
            for i in range(7, 13):  # seen before, six tokens earlier
                assert (shown.activations[i] > 0.4) == (tokens[i - 5] == name)
    assert all(prompt[0] == " BOS" for prompt in found.heldout)


def _repeated(rng: np.random.Generator, twin: Twin, number: int) -> TokenPair:
    """BOS and tokens in random order, twice the same."""
    tokens = rng.permutation(twin.n_tokens)[:6].tolist() * 2
    prompt = (twin.n_tokens, *tokens)
    return TokenPair(
        clean=prompt,
        corrupt=prompt,
        answers=((0,),),
        wrong_answers=((1,),),
        positions=(len(prompt) - 1,),
        id=str(number),
        group=str(number),
    )
