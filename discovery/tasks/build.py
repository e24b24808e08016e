"""From a spec to the pairs of its job: built-in task or submitted file, checked, with its splits.

Needs a tokenizer and the vocabulary's size, no weights: a bad dataset fails before a model loads.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from discovery.tasks.base import MadePairs, PairSet
from discovery.tasks.means import check_means
from discovery.tasks.names import TokenNames
from discovery.tasks.registry import TASKS
from discovery.tasks.submitted import check_lengths, submitted_pairs
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.datasets.file import check_metric, dataset_document, read_jsonl
from graph_schema.documents import (
    Ablation,
    DatasetData,
    Limits,
    Metric,
    Split,
    TaskData,
    sha256_hex,
)
from graph_schema.documents.jobs import MeasuredSpec
from graph_schema.errors import DatasetError, DatasetLimitError, NotFoundError


def build_dataset(
    spec: MeasuredSpec,
    tokenizer: PreTrainedTokenizerBase | None,
    d_vocab: int,
    jsonl: str | None,
    limits: Limits,
    n_ctx: int | None = None,
    names: TokenNames | None = None,
) -> PairSet:
    """The pairs a job discovers and judges circuits on.

    Args:
        jsonl: The stored text of a submitted dataset; None for a built-in task.
        n_ctx: The model's context length where its configuration states one.
        names: Of a compiled program's tokens and outputs, which has no tokenizer.

    Raises:
        DatasetError: The first thing about the data that does not fit; the message names it.
        NotFoundError: The submitted text is not, or not as it was, in the store.
    """
    vocabulary = Vocabulary(d_vocab, tokenizer, spec.tokenisation.add_bos, n_ctx, names)
    if isinstance(spec.data, TaskData):
        made = _built_in(spec.data, spec, vocabulary, limits)
    else:
        made = _submitted(spec.data, spec, vocabulary, jsonl, limits)
    if spec.ablation.kind is Ablation.CORRUPT and all(p.clean == p.corrupt for p in made.discovery):
        raise DatasetError(
            "every corrupt prompt equals its clean one, so ablation 'corrupt' changes nothing; "
            "change the corrupt prompts or use ablation 'zero', 'mean' or 'resample'"
        )
    if spec.ablation.kind is Ablation.MEAN:
        check_means(made.discovery, made.discovery)
    lines = [
        *(pair.document(Split.DISCOVERY) for pair in made.discovery),
        *(pair.document(Split.HELDOUT) for pair in made.heldout),
    ]
    task, task_id = spec.data.task_name, spec.data.task_id
    document = dataset_document(lines, task)
    size = len(document.jsonl.encode())
    if size > limits.dataset_bytes:
        raise DatasetLimitError(
            f"{len(lines):,} pairs are {size:,} bytes as token ids; the limit is "
            f"{limits.dataset_bytes:,} bytes: use fewer or shorter pairs"
        )
    return PairSet(made.discovery, made.heldout, document, task, task_id, made.notes)


def _built_in(
    data: TaskData, spec: MeasuredSpec, vocabulary: Vocabulary, limits: Limits
) -> MadePairs:
    name = data.task.name
    if spec.metric is Metric.LINEAR:
        raise DatasetError(
            f"metric 'linear' needs token weights, and task '{name}' has none; use metric "
            "'logit_diff', or submit pairs with 'weights'"
        )
    version = type(data.task).model_fields["version"].default
    if data.task.version != version:
        raise DatasetError(
            f"version {data.task.version} of task '{name}' is no longer made: its groups were few "
            f"and its splits shared words; ask again for the task, now version {version}"
        )
    if data.pairs > limits.pairs:
        raise DatasetLimitError(
            f"{data.pairs:,} pairs were asked for; the limit is {limits.pairs:,}"
        )
    made = TASKS[name](data.task, vocabulary, data.pairs, spec.seed)
    for pair in (*made.discovery, *made.heldout):
        check_lengths(f"task '{name}'", pair, vocabulary, limits)
    return made


def _submitted(
    data: DatasetData,
    spec: MeasuredSpec,
    vocabulary: Vocabulary,
    jsonl: str | None,
    limits: Limits,
) -> MadePairs:
    if jsonl is None:
        raise NotFoundError(
            f"dataset {data.sha256[:12]} is not in the store; submit its file again"
        )
    if sha256_hex(jsonl) != data.sha256:
        raise NotFoundError(
            f"the stored dataset has SHA-256 {sha256_hex(jsonl)[:12]}, the job names "
            f"{data.sha256[:12]}; submit the file again"
        )
    pairs = read_jsonl(jsonl.encode(), limits)
    check_metric(pairs, spec.metric)
    return submitted_pairs(pairs, vocabulary, spec.tokenisation, spec.seed, limits)
