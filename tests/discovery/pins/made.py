"""What the pinned figures are of: models with weights from a seed, pairs written here.

`python -m tests.discovery.pins.made` writes `scores.npz` and `kept.json` anew. That is right only
where a definition has changed, and then the change log says which.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.methods.acdc import Pruned, Pruner
from discovery.methods.eap import eap
from discovery.methods.exact import exact
from discovery.methods.finding import find
from discovery.methods.integrated_gradients import eap_ig
from discovery.methods.scoring import Work
from discovery.models import GPT2Adapter, LlamaAdapter, ModelAdapter
from discovery.models.zoo import RECIPES
from discovery.progress import NoCheckpoint
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, EapIg, Metric, circuit_id, sha256_hex
from graph_schema.documents.jobs import DiscoverSpec
from tests.discovery.cases import made_pairs
from tests.discovery.models.families import FAMILIES, tiny

HERE = Path(__file__).parent
SCORES, KEPT = HERE / "scores.npz", HERE / "kept.json"
PAIRS = made_pairs(6, targets=2, shared=1)
"""Lengths 6 and 4; the prompts of a pair part at the second token."""
ABLATIONS = {"corrupt": AblationSpec(), "zero": AblationSpec(kind=Ablation.ZERO)}
METHODS = ("eap", "eap-ig", "eap-ig-activations", "exact", "acdc")
TAU = 0.06
"""Of `kl`; no rise of a family's edges lies within 6e-5 of it."""

Scores = NDArray[np.float32]


def scores(family: str, method: str, ablation: str) -> Scores:
    """Every edge's score on a tiny model; of `acdc` the rise at its test."""
    experiment = Experiment(tiny(family), Metric.LOGIT_DIFF, ABLATIONS[ablation], PAIRS)
    graph = experiment.graph
    ways: dict[str, Callable[[], Scores]] = {
        "eap": lambda: eap(experiment, PAIRS, chunk=4),
        "eap-ig": lambda: eap_ig(experiment, PAIRS, EapIg(steps=3), chunk=4),
        "eap-ig-activations": lambda: eap_ig(
            experiment, PAIRS, EapIg(steps=2, over="activations"), chunk=4
        ),
        "exact": lambda: exact(experiment, PAIRS),
        "acdc": lambda: graph.to_list(pruned(family, ablation).rises).astype(np.float32),
    }
    return ways[method]()


@cache
def pruned(family: str, ablation: str) -> Pruned:
    """ACDC by `kl`."""
    return _pruned(tiny(family), ablation)


def _pruned(adapter: ModelAdapter, ablation: str) -> Pruned:
    return Pruner(Experiment(adapter, Metric.KL, ABLATIONS[ablation], PAIRS), PAIRS).run(TAU)


def moved_by_rounding(family: str, ablation: str) -> float:
    """How far ACDC's rises move, at most, when every weight moves by half a unit in its last place.

    As far may they lie apart between two machines, whose libraries add in different orders.
    """
    there, most = pruned(family, ablation).rises, 0.0
    for seed in range(3):
        adapter = tiny.__wrapped__(family)  # not the one that all tests share
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in adapter.model.parameters():
                signs = torch.randn(weight.shape, generator=generator).sign()
                weight.mul_(1 + torch.finfo(weight.dtype).eps / 2 * signs)
        most = max(most, float(np.abs(_pruned(adapter, ablation).rises - there).max()))
    return most


# The demo's job on a model of the demo's shape.

N_EDGES = 40


def demo_model() -> ModelAdapter:
    """The demo's configuration; weights from numpy's generator, alike on every machine."""
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**RECIPES["gpt2"].config)).eval()
    rng = np.random.default_rng(11)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            size = 0.02 if weight.ndim == 1 else 0.15
            drawn = rng.normal(
                1.0 if "ln_" in name and "weight" in name else 0.0, size, weight.shape
            )
            weight.copy_(torch.from_numpy(drawn))
    return GPT2Adapter(model)


def induction_pairs() -> tuple[TokenPair, ...]:
    """Segments of ten tokens, repeated; the corrupt prompt's first segment has another answer."""
    rng, pairs = np.random.default_rng(7), list[TokenPair]()
    for number in range(16):
        segment = rng.permutation(64)[:11].tolist()
        clean = [*segment[:10], *segment[:4]]
        corrupt = [*clean]
        corrupt[4] = segment[10]
        pairs.append(
            TokenPair(
                clean=tuple(clean),
                corrupt=tuple(corrupt),
                answers=((segment[4],),),
                wrong_answers=((segment[10],),),
                positions=(13,),
                id=f"pair-{number}",
                group=f"pair-{number}",
            )
        )
    return tuple(pairs)


def demo_spec() -> DiscoverSpec:
    return DiscoverSpec.model_validate(
        {
            "model": {"fingerprint": "0" * 40},
            "data": {"kind": "dataset", "sha256": sha256_hex("demo"), "task": "induction"},
            "method": {"name": "eap-ig"},
            "selection": {"kind": "edges", "n_edges": N_EDGES},
        }
    )


def found(adapter: ModelAdapter, pairs: tuple[TokenPair, ...], spec: DiscoverSpec) -> BoolMatrix:
    """What a discover job keeps."""
    experiment = Experiment(adapter, spec.metric, spec.ablation, pairs, seed=spec.seed)
    work = Work(experiment, pairs, None, lambda stage: lambda done, total: None, NoCheckpoint())
    (only,), _ = find(spec, work)
    return only.kept


def demo() -> dict[str, Any]:
    """The kept edges and the id of the circuit."""
    adapter, spec = demo_model(), demo_spec()
    experiment = Experiment(adapter, spec.metric, spec.ablation, induction_pairs())
    names = experiment.graph.names(found(adapter, induction_pairs(), spec))
    return {"circuit_id": circuit_id(spec.job_id, N_EDGES, names), "edges": names}


# SmolLM2 on IOI.

IOI = (
    ("Mary", "John", "Anna", "Then, {a} and {b} went to the store. {c} gave a drink to"),
    ("Tom", "Anna", "Mary", "Then, {a} and {b} went to the store. {c} gave a drink to"),
    ("John", "Paul", "Tom", "When {a} and {b} had lunch at the park, {c} gave a book to"),
    ("Anna", "Mary", "Paul", "When {a} and {b} had lunch at the park, {c} gave a book to"),
    ("Paul", "Tom", "John", "After {a} and {b} came home from work, {c} gave a letter to"),
    ("Mary", "Paul", "Anna", "After {a} and {b} came home from work, {c} gave a letter to"),
)
"""(indirect object, subject, a third name, sentence); corrupt: the third name gives."""
SMOLLM2_EDGES = 298
"""The next score is a hundredth smaller."""


def ioi_pairs(tokenizer: Any) -> tuple[TokenPair, ...]:
    pairs: list[TokenPair] = []
    for number, (to, giver, other, sentence) in enumerate(IOI):
        clean, corrupt = (
            tuple(tokenizer(sentence.format(a=to, b=giver, c=third)).input_ids)
            for third in (giver, other)
        )
        (answer,), (wrong,) = (tokenizer(f" {name}").input_ids for name in (to, giver))
        assert len(clean) == len(corrupt)
        pairs.append(
            TokenPair(
                clean=clean,
                corrupt=corrupt,
                answers=((answer,),),
                wrong_answers=((wrong,),),
                positions=(len(clean) - 1,),
                id=f"ioi-{number}",
                group=f"ioi-{number}",
            )
        )
    return tuple(pairs)


def smollm2(folder: Any) -> list[str]:
    """The edges that eap-ig keeps of SmolLM2 on `IOI`."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    adapter, pairs = LlamaAdapter(model), ioi_pairs(tokenizer)
    spec = demo_spec().model_copy(
        update={"selection": demo_spec().selection.model_copy(update={"n_edges": SMOLLM2_EDGES})}
    )
    experiment = Experiment(adapter, spec.metric, spec.ablation, pairs)
    return experiment.graph.names(found(adapter, pairs, spec))


def main() -> None:
    from tests.real_models import MODELS, fetch_folder

    torch.set_num_threads(1)
    arrays = {
        f"{family}/{method}/{ablation}": scores(family, method, ablation)
        for family in FAMILIES
        for method in METHODS
        for ablation in ABLATIONS
    }
    np.savez_compressed(SCORES, allow_pickle=False, **arrays)
    kept = {"demo": demo(), "smollm2": smollm2(fetch_folder(MODELS["smollm2-135m"]))}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
