"""How often an untrained model passes for one that does a task: docs/evaluation.md.

    python -m benchmarks.untrained [--trials N] [--task NAME] [--write]

Each trial makes a task's pairs and a model with random weights, of four families in turn, both from
the trial's seed, and asks the gate that every job asks. Nothing is to be found, so each pass is
false; at most 4 % may be. `--write` puts the table into docs/evaluation.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from benchmarks.page import cpu, versions
from discovery.engine.experiment import Experiment
from discovery.evaluation.measured import Measured
from discovery.evaluation.performed import require_performance
from discovery.models import ModelAdapter, adapter_class
from discovery.tasks import TASKS
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import (
    AblationSpec,
    AnyTask,
    DocstringTask,
    GenderedPronounTask,
    GreaterThanTask,
    InductionTask,
    IoiTask,
    Limits,
    Metric,
    Split,
    SubjectVerbAgreementTask,
)
from graph_schema.errors import TaskNotPerformedError
from tests.discovery.tasks.tokenizers import whole_words

PAGE = Path(__file__).parents[1] / "docs" / "evaluation.md"
BEGIN, END = "<!-- python -m benchmarks.untrained --write -->", "<!-- untrained: end -->"
N_PAIRS = 32
FAMILIES = ("gpt2", "llama", "gpt_neox", "gemma2")
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
GROUPED: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 8}
OWN: dict[str, dict[str, Any]] = {"llama": GROUPED, "gemma2": {**GROUPED, "initializer_range": 0.1}}

CASES: dict[str, tuple[AnyTask, int]] = {
    "ioi": (IoiTask(), 2),
    "induction": (InductionTask(), 2),
    "greater_than": (GreaterThanTask(), 2),
    "greater_than, digit by digit": (GreaterThanTask(), 1),
    "gendered_pronoun": (GenderedPronounTask(), 2),
    "docstring": (DocstringTask(), 2),
    "subject_verb_agreement": (SubjectVerbAgreementTask(), 2),
}
"""Tasks, and how many digits of a year the tokenizer makes one token."""


def untrained(family: str, d_vocab: int, seed: int) -> ModelAdapter:
    """A model of random weights, as the family's own code draws them."""
    config = AutoConfig.for_model(family, vocab_size=d_vocab, **{**SMALL, **OWN.get(family, {})})
    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    return adapter_class(config)(model.eval())


def passes(task: AnyTask, digits: int, metric: Metric, seed: int) -> bool:
    """Whether this seed's model is taken for one that does this seed's pairs."""
    tokenizer = whole_words(digits)
    vocabulary = Vocabulary(len(tokenizer), tokenizer)
    pairs = TASKS[task.name](task, vocabulary, N_PAIRS, seed).discovery
    model = untrained(FAMILIES[seed % len(FAMILIES)], len(tokenizer), seed)
    experiment = Experiment(model, metric, AblationSpec(), pairs)
    try:
        require_performance(Measured(experiment, Split.DISCOVERY, pairs, seed=seed), Limits())
    except TaskNotPerformedError:
        return False
    return True


def row(name: str, metric: Metric | None, trials: int) -> str:
    """A line of the table."""
    task, digits = CASES[name]
    metric = metric or task.default_metric
    passed = Counter[str]()

    def run() -> None:
        for seed in range(trials):
            passed[FAMILIES[seed % len(FAMILIES)]] += passes(task, digits, metric, seed)

    seconds, total = cpu(run), passed.total()
    each = " | ".join(str(passed[family]) for family in FAMILIES)
    line = f"| {name} | {metric.value} | {total} of {trials} | {total / trials:.1%} | {each} |"
    print(f"{line} {seconds:.0f} CPU s", flush=True)
    return line


def section(rows: Sequence[str], trials: int) -> str:
    heads = " | ".join(FAMILIES)
    return "\n".join(
        [
            BEGIN,
            "",
            f"{trials} trials a line, seeds 0 to {trials - 1}, {N_PAIRS} pairs, a fresh model of 2 "
            f"layers each, {trials // len(FAMILIES)} of each family; ablation `corrupt`. "
            f"{datetime.now(UTC):%Y-%m-%d}; {versions('torch', 'transformers', 'scipy')}.",
            "",
            f"| task | metric | pass | share | {heads} |",
            f"| --- | --- | --- | --- |{' --- |' * len(FAMILIES)}",
            *rows,
            "",
            END,
        ]
    )


def write(text: str) -> None:
    """Put the table in place of its older self."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN, 1)
    PAGE.write_text(before + text + rest.split(END, 1)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--task", choices=CASES, action="append")
    parser.add_argument("--metric", type=Metric, choices=list(Metric))
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.write and (asked.task or asked.metric):
        parser.error("--write writes the whole table: leave out --task and --metric")
    torch.set_num_threads(1)
    cases = [(name, asked.metric) for name in asked.task or CASES]
    if asked.write:
        cases += [(name, Metric.KL) for name in CASES]
    rows = [row(name, metric, asked.trials) for name, metric in cases]
    if asked.write:
        write(section(rows, asked.trials))


if __name__ == "__main__":
    main()
