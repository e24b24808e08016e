"""Real models and pairs of what they do: what benchmarks of feature circuits are run on.

Subject-verb agreement is that of Marks et al. 2024 (arXiv:2403.19647): items whose answers are no
single tokens are left out, and counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from benchmarks.shapes import REAL, load
from discovery.models import ModelAdapter
from discovery.tasks import TASKS, MadePairs
from discovery.tasks.submitted import submitted_pairs
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import IoiTask, Limits, PairDocument
from graph_schema.documents.jobs import Tokenisation

PEERS = Path(__file__).parent.parent.parent / "shared" / "peers"
AGREEMENT = {"agreement, simple": "simple_train.jsonl", "agreement, nounpp": "nounpp_test.jsonl"}
TASK_NAMES = ("ioi", *AGREEMENT)
SEED = 0


@dataclass(frozen=True)
class Case:
    """A model and pairs of a task; `note` says where these are from."""

    model: str
    adapter: ModelAdapter
    task: str
    made: MadePairs
    note: str


def options(parser: argparse.ArgumentParser, models: Sequence[str], n_pairs: int) -> None:
    """Which models, tasks and pairs; these models and so many pairs unless told otherwise."""
    parser.add_argument(
        "--model", choices=REAL, action="append", help=f"default: {', '.join(models)}"
    )
    parser.add_argument("--task", choices=TASK_NAMES, action="append", help="default: all")
    parser.add_argument("--pairs", type=int, default=n_pairs)
    parser.add_argument("--peers", type=Path, default=PEERS, help="folder with feature-circuits/")


def cases(asked: argparse.Namespace, models: Sequence[str]) -> Iterator[Case]:
    """Every task on every model asked for; a task whose file is not there is said and left out."""
    from tests.real_models import MODELS, fetch_folder

    for model in asked.model or models:
        adapter = load(model)
        tokenizer = AutoTokenizer.from_pretrained(fetch_folder(MODELS[model]))
        vocabulary = Vocabulary(adapter.shape.d_vocab, tokenizer)
        for task in asked.task or TASK_NAMES:
            note = "Built-in pairs."
            if task == "ioi":
                made = TASKS["ioi"](IoiTask(), vocabulary, asked.pairs, SEED)
            elif (file := asked.peers / "feature-circuits" / AGREEMENT[task]).exists():
                made, left_out, total = agreement(file, vocabulary, asked.pairs)
                note = f"{left_out} of {total} items left out: their answers are no single tokens."
            else:
                print(f"{task}: not run: {file} is not there; say --peers", file=sys.stderr)
                continue
            yield Case(model, adapter, task, made, note)


def agreement(file: Path, vocabulary: Vocabulary, n_pairs: int) -> tuple[MadePairs, int, int]:
    """Pairs of a file of Marks et al., and how many of its items do not fit, of how many.

    Both splits together have `2 * n_pairs` at most, of the commonest lengths.
    """
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    documents = [
        PairDocument(
            clean=line["clean_prefix"],
            corrupt=line["patch_prefix"],
            answers=(line["clean_answer"],),
            wrong_answers=(line["patch_answer"],),
        )
        for line in lines
    ]
    tokens = Tokenisation(misfits="leave_out")
    made = submitted_pairs(documents, vocabulary, tokens, SEED, Limits())
    left_out = len(lines) - len(made.discovery) - len(made.heldout)
    every = [pair for split in (made.discovery, made.heldout) for pair in split]
    lengths = [len(pair.clean) for pair in every]
    common = max(set(lengths), key=lambda length: (lengths.count(length), -length))
    rng = np.random.default_rng(SEED)

    def some(split: Sequence[Any]) -> tuple[Any, ...]:
        of_length = [pair for pair in split if len(pair.clean) == common]
        return tuple(of_length[i] for i in np.sort(rng.permutation(len(of_length))[:n_pairs]))

    return MadePairs(some(made.discovery), some(made.heldout)), left_out, len(lines)
