"""Cases that somebody else wrote: what they may leave out, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery.known.ground_truth import load_case
from discovery.known.recovery import judge, read_case
from graph_schema.documents import Ablation
from graph_schema.errors import SpecError
from tests.discovery.known.folders import KEPT

Weights = dict[str, np.ndarray]
Json = dict[str, Any]
CATEGORICAL, NUMERICAL = KEPT / "ib07_hist", KEPT / "ib03_frac_prevs"


class Folder:
    """A copy of a case whose parts can be changed before it is written."""

    def __init__(self, source: Path, target: Path) -> None:
        self.case: Json = json.loads((source / "case.json").read_text())
        self.case = {key: self.case[key] for key in ("config", "vocab", "output", "pairs")}
        self.edges: Json = {
            name: edges
            for name, edges in json.loads((source / "edges.json").read_text()).items()
            if name in ("static_interpbench", "resample_minimal", "zero_minimal")
        }
        with np.load(source / "weights.npz") as file:
            self.weights: Weights = dict(file)
        self.target = target / source.name

    def write(self) -> Path:
        self.target.mkdir(exist_ok=True)
        weights: dict[str, Any] = self.weights
        np.savez(self.target / "weights.npz", **weights)
        (self.target / "case.json").write_text(json.dumps(self.case))
        (self.target / "edges.json").write_text(json.dumps(self.edges))
        return self.target


def renamed(fields: dict[str, Any], old: str, new: str) -> None:
    fields[new] = fields.pop(old)


def every_pair(**changes: Callable[[list[Any]], list[Any]]) -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        for pair in folder.case["pairs"]:
            for side, how in changes.items():
                pair[side] = how(pair[side])

    return change


def _backwards(out: list[Any]) -> list[Any]:
    return [9 - value for value in out]


def _nulls(out: list[Any]) -> list[Any]:
    return [None] * len(out)


def _same(folder: Folder) -> None:
    for pair in folder.case["pairs"]:
        pair["corrupt"], pair["corrupt_out"] = pair["clean"], pair["clean_out"]


def _put(part: str, key: str, value: Any) -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        fields = getattr(folder, part) if part in ("weights", "edges") else folder.case[part]
        fields[key] = value

    return change


def _move(part: str, old: str, new: str) -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        fields = getattr(folder, part) if hasattr(folder, part) else folder.case[part]
        renamed(fields, old, new)

    return change


def _first_out(value: Any) -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        folder.case["pairs"][3]["clean_out"][2] = value

    return change


def _drop(*names: str) -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        for name in names:
            del folder.weights[name]

    return change


def _only_truth(name: str) -> Callable[[Folder], None]:
    def change(folder: Folder) -> None:
        folder.edges = {name: folder.edges["resample_minimal"]}

    return change


def _biased(folder: Folder) -> None:
    del folder.weights["L0.b_Q"]
    folder.case["config"]["all_biases_zero"] = False


REFUSED: dict[str, tuple[Callable[[Folder], object], str]] = {
    # Weights.
    "a weight by another name": (
        _move("weights", "L0.W_Q", "L0.W_q"),
        r"weights\.npz': weight 'L0.W_q' is none that is read; did you mean 'L0.W_Q'\?",
    ),
    "a bias by another name": (
        _move("weights", "L0.b_in", "L0.bias_in"),
        r"'L0.bias_in' is none that is read; did you mean 'L0.b_in'\?",
    ),
    "a bias of the embedding": (_put("weights", "b_E", np.zeros(26)), "'b_E' is none that is"),
    "a layer too many": (
        _put("weights", "L1.W_in", np.zeros((26, 20))),
        "'L1.W_in' is none that is read: config has n_layers 1, which are L0 to L0",
    ),
    "a weight missing": (_drop("L0.W_O"), r"'L0.W_O' is missing; expected \[n_heads, d_head, d_m"),
    "biases that are said not to be zero": (
        _biased,
        "'L0.b_Q' is missing, and config says that not all biases are zero",
    ),
    "NaN": (_put("weights", "L0.b_out", np.full(26, np.nan)), "'L0.b_out' holds other than finite"),
    "a matrix turned": (
        lambda folder: folder.weights.update(W_U=folder.weights["W_U"].T),
        r"'W_U' has shape \(10, 26\); expected \[d_model 26 by config, d_out 10 by config\]",
    ),
    "heads last": (
        lambda folder: folder.weights.update({"L0.W_Q": folder.weights["L0.W_Q"][0]}),
        r"'L0.W_Q' has shape \(26, 5\); expected \[n_heads 1 by config, d_model 26",
    ),
    "another size in config": (
        _put("config", "d_mlp", 21),
        r"'L0.W_in' has shape \(26, 20\); expected \[d_model 26 by config, d_mlp 21 by config\]",
    ),
    # Configuration and vocabulary.
    "a size by another name": (_move("config", "n_layers", "n_layer"), "config has no 'n_layers';"),
    "an activation by another name": (
        _put("config", "act_fn", "gelu"),
        "config has 'act_fn', which is not read; is it 'act'",
    ),
    "causality by another name": (_put("config", "casual", True), "'casual'.* is it 'causal'"),
    "a layer norm": (_put("config", "layer_norm", True), "config.layer_norm is True"),
    "attention that is not scaled": (_put("config", "attn_scale", "1"), "attn_scale is '1'; exp"),
    "a negative size": (_put("config", "n_heads", -1), "config.n_heads is -1: Input should be gr"),
    "a token outside": (_put("vocab", "z", 99), "token 'z' has id 99, and W_E 5 rows"),
    "an id twice": (_put("vocab", "z", 2), "vocab has id 2 twice: 'a', 'z'"),
    "an id that is none": (_put("vocab", "z", "2"), r"vocab\['z'\] is '2'; expected a token id"),
    # Outputs.
    "no kind of output": (
        _move("output", "categorical", "category"),
        "output has no 'categorical'",
    ),
    "no values": (_put("output", "values", None), "output.values is None; expected what each col"),
    "a value twice": (_put("output", "values", [0, 1, 1]), "output.values has 1 twice"),
    "more values than columns": (
        _put("output", "values", list(range(11))),
        "has 11 values, and W_U 10 columns: one of them is not computed, from 10 on",
    ),
    "a number of many columns": (_put("output", "categorical", False), "W_U has 10 columns, and"),
    "an output that is no value": (
        _first_out("many"),
        r"pair-3: clean_out\[2\] is 'many'; expected one of output.values, \(0, 1",
    ),
    "outputs of another program": (
        every_pair(clean_out=_backwards, corrupt_out=_backwards),
        r"the model computes \d+ of the 3,600 outputs .*, not \d\); expected at least 95%",
    ),
    "values in another order": (
        lambda folder: folder.case["output"]["values"].reverse(),
        r"the model computes \d+ of the 3,600 outputs",
    ),
    "outputs one position off": (
        every_pair(clean_out=lambda out: out[1:] + out[:1]),
        r"the model computes [\d,]+ of the 3,600 outputs",
    ),
    "no output defined": (
        every_pair(clean_out=_nulls),
        "no pair has a position, after the first, where the program's outputs for both",
    ),
    "outputs of the first position alone": (
        every_pair(
            clean_out=lambda out: [0, *_nulls(out)], corrupt_out=lambda out: [1, *_nulls(out)]
        ),
        "no pair has a position, after the first",
    ),
    "nothing that differs": (_same, "no pair's outputs differ between clean_out and corrupt_out"),
    "more outputs than tokens": (
        every_pair(clean_out=lambda out: [0, 0, *out], corrupt_out=lambda out: [0, 0, *out]),
        "pair-0 has 10 tokens and 11 outputs",
    ),
    "a pair without outputs": (
        lambda folder: [
            renamed(pair, "clean_out", "clean_output") for pair in folder.case["pairs"]
        ],
        "pair-0 has no 'clean_out'; is 'clean_output' meant for it",
    ),
    # Truths.
    "a truth by another name": (
        _only_truth("minimal"),
        r"edges\.json': 'minimal' lists edges, and is no truth's name; expected static_interpbench",
    ),
    "a slip in a truth's name": (
        _move("edges", "resample_minimal", "resampled_minimal"),
        "'resampled_minimal' lists edges, .* did you mean 'resample_minimal'",
    ),
    "no truth": (
        lambda folder: folder.edges.clear() or folder.edges.update(notes="none yet"),
        r"it has no truth; expected static_interpbench, .*zero_\* \(found notes\)",
    ),
    "a truth that is no list": (
        _put("edges", "zero_minimal", "embed->logits"),
        "truth 'zero_minimal' is 'embed->logits'; expected a list of edges",
    ),
    "an edge that is not there": (
        _put("edges", "zero_minimal", ["a0.h3->logits"]),
        "truth 'zero_minimal' has 'a0.h3->logits', an edge that the model has not",
    ),
    "an edge that runs backwards": (_put("edges", "zero_new", ["m0->a0.h0.q"]), "model has not"),
    "truths in the wrong file": (
        lambda folder: folder.case.update(zero_minimal=["embed->logits"]),
        "truth 'zero_minimal' stands in case.json; expected it in edges.json",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_case_that_says_something_else_than_its_model_is_refused(
    fault: str, tmp_path: Path
) -> None:
    """Most of these were judged: a weight left out, a truth that nobody read, an AUROC of .5."""
    change, message = REFUSED[fault]
    folder = Folder(CATEGORICAL, tmp_path)
    load_case(folder.write())
    change(folder)
    with pytest.raises(SpecError, match=message) as caught:
        load_case(folder.write())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", ["1", [1.0], float("nan"), {}])
def test_a_numerical_output_is_a_number(value: object, tmp_path: Path) -> None:
    folder = Folder(NUMERICAL, tmp_path)
    folder.case["pairs"][0]["clean_out"][1] = value
    with pytest.raises(SpecError, match=r"clean_out\[1\] is .*; expected a number, or null"):
        load_case(folder.write())


def test_numbers_that_the_model_does_not_compute_are_refused(tmp_path: Path) -> None:
    folder = Folder(NUMERICAL, tmp_path)
    every_pair(clean_out=lambda out: [2 * value for value in out])(folder)
    with pytest.raises(SpecError, match=r"model computes [\d,]+ of the 1,600 .*it is 1, not 2"):
        load_case(folder.write())


@pytest.mark.parametrize("source", [CATEGORICAL, NUMERICAL], ids=lambda source: source.name)
def test_a_case_may_leave_out_and_add_what_changes_nothing(source: Path, tmp_path: Path) -> None:
    """Sizes, biases of zero, other truths; notes of any kind, wherever they stand."""
    folder = Folder(source, tmp_path)
    wanted = judge(read_case(source), "exact", Ablation.CORRUPT)
    folder.weights = {name: value for name, value in folder.weights.items() if ".b_" not in name}
    config = folder.case["config"]
    folder.case["config"] = {key: config[key] for key in ("n_layers", "act", "causal")}
    folder.case["config"] |= {"made_by": "hand", "max_len_without_bos": 9, "seed": 3}
    folder.case |= {"author": "somebody", "notes": ["a", "b"], "residual_labels": []}
    folder.case["output"]["defined_rule"] = "after BOS"
    for number, pair in enumerate(folder.case["pairs"]):
        pair |= {"id": number, "clean_raw": "words"}
    folder.edges = {
        "resample_minimal": folder.edges["resample_minimal"],
        "notes": ["a", "b"],
        "all_edges": ["embed->logits"],
        "resample_rule": "corrupt values",
        "edge_effect": {"embed->logits": 1},
    }
    found = judge(read_case(folder.write()), "exact", Ablation.CORRUPT)
    assert (
        found.auroc
        == {"resample_minimal": wanted.auroc["resample_minimal"]}
        == {"resample_minimal": 1}
    )
    assert found.kept == wanted.kept


def test_a_model_that_misses_a_few_outputs_is_judged(tmp_path: Path) -> None:
    folder = Folder(CATEGORICAL, tmp_path)
    for pair in folder.case["pairs"][:5]:
        pair["clean_out"] = _backwards(pair["clean_out"])
    assert len(load_case(folder.write()).pairs) == 200


@pytest.mark.parametrize("name", ["case.json", "edges.json"])
def test_a_key_that_comes_twice_is_refused(name: str, tmp_path: Path) -> None:
    """JSON's readers take the last one without a word."""
    file = Folder(CATEGORICAL, tmp_path).write() / name
    key = next(iter(json.loads(file.read_text())))
    file.write_text(f'{{"{key}": [], {file.read_text().lstrip()[1:]}')
    with pytest.raises(SpecError, match=rf"/{name}': the key '{key}' comes twice"):
        load_case(file.parent)


def test_the_case_on_the_page_is_one(tmp_path: Path) -> None:
    """Weights by the page's names and axes; its `case.json` word for word."""
    page = (Path(__file__).parents[3] / "docs" / "ground-truth.md").read_text()
    text = page.partition("```json\n")[2].partition("```")[0]
    d_vocab, n_ctx, d_model, d_head, d_mlp, n_heads = 3, 3, 4, 2, 5, 2
    weights = {
        "W_E": np.eye(d_vocab, d_model),
        "W_pos": np.zeros((n_ctx, d_model)),
        **{f"L0.W_{name}": np.zeros((n_heads, d_model, d_head)) for name in "QKV"},
        "L0.W_O": np.zeros((n_heads, d_head, d_model)),
        "L0.W_in": np.zeros((d_model, d_mlp)),
        "L0.W_out": np.zeros((d_mlp, d_model)),
        "W_U": np.array([[0, 0], [1, 0], [0, 1], [0, 0]]),
    }
    np.savez(tmp_path / "weights.npz", **weights)
    (tmp_path / "case.json").write_text(text)
    (tmp_path / "edges.json").write_text(json.dumps({"resample_minimal": ["embed->logits"]}))
    found = judge(read_case(tmp_path), "exact", Ablation.CORRUPT)
    assert (found.auroc, found.kept) == ({"resample_minimal": 1}, 1)
    for name in ("act", "casual", "attn_scale", "values", "clean_out", "L0.W_O", "zero_"):
        assert f"`{name}" in page
