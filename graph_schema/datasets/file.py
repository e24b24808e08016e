"""A submitted dataset as a whole: JSON lines in, checked pairs and their stored form out.

Light on purpose: the client runs these checks before anything is sent. What needs a tokenizer or
a vocabulary is checked by the worker (`discovery.tasks`), before it loads weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from graph_schema.datasets.mib import is_mib_record, mib_pair
from graph_schema.datasets.pair import fail, parse_object, parse_pair
from graph_schema.documents.base import sha256_hex
from graph_schema.documents.dataset import DatasetDocument, PairDocument, Split
from graph_schema.documents.limits import Limits
from graph_schema.documents.method import Metric
from graph_schema.errors import DatasetError, DatasetLimitError

_BOM = b"\xef\xbb\xbf"

_NEEDS_WRONG_ANSWERS = (Metric.LOGIT_DIFF, Metric.PROB_DIFF)
_NEEDS_ANSWERS = (*_NEEDS_WRONG_ANSWERS, Metric.ANSWER_LOGIT, Metric.ANSWER_PROB)


def read_jsonl(data: bytes, limits: Limits | None = None) -> tuple[PairDocument, ...]:
    """The pairs of a JSONL file, in its order: line n is pair n. Records of MIB are read too.

    Raises:
        DatasetError: The first check that fails; the message names the line.
    """
    limits = limits or Limits()
    if len(data) > limits.dataset_bytes:
        raise DatasetLimitError(
            f"the dataset has {len(data):,} bytes; the limit is {limits.dataset_bytes:,} bytes: "
            "submit fewer pairs"
        )
    lines = _lines(data.removeprefix(_BOM))
    if not lines:
        raise DatasetError(
            f"the dataset is empty ({len(data)} bytes); expected at least {limits.min_pairs} "
            'lines of {"clean": …, "corrupt": …, "answers": […], "wrong_answers": […]}'
        )
    if len(lines) > limits.pairs:
        raise DatasetLimitError(
            f"the dataset has {len(lines):,} pairs; the limit is {limits.pairs:,}: submit fewer"
        )
    pairs = tuple(_pair(f"line {number}", text) for number, text in enumerate(lines, 1))
    _check_lengths(pairs, limits)
    _check_ids(pairs)
    check_count(pairs, limits)
    return pairs


def _pair(place: str, text: str) -> PairDocument:
    record = parse_object(place, text)
    return mib_pair(place, record) if is_mib_record(record) else parse_pair(place, record)


def check_count(pairs: Sequence[PairDocument], limits: Limits) -> None:
    """Refuse fewer than `limits.min_pairs` pairs to discover a circuit on."""
    n_discovery = sum(pair.split is not Split.HELDOUT for pair in pairs)
    if n_discovery < limits.min_pairs:
        kind = "discovery pairs" if n_discovery < len(pairs) else "pairs"
        raise DatasetLimitError(
            f"the dataset has {n_discovery} {kind}; at least {limits.min_pairs} are needed: "
            "add more"
        )


def check_metric(pairs: Sequence[PairDocument], metric: Metric) -> None:
    """Refuse a metric that reads what a line of the dataset does not have.

    Raises:
        DatasetError: Names the first such line, the metric, and metrics that would fit.
    """
    for place, pair in zip(places(pairs), pairs, strict=True):
        if metric is Metric.LINEAR and pair.weights is None:
            fail(place, "metric 'linear' needs 'weights'; add them or use another metric")
        if metric in _NEEDS_ANSWERS and not pair.answers:
            fail(place, f"metric '{metric}' needs 'answers'; add them or use metric 'linear'")
        if metric in _NEEDS_WRONG_ANSWERS and not pair.wrong_answers:
            fail(
                place,
                f"metric '{metric}' needs 'wrong_answers'; add them or use metric "
                "'answer_logit', 'answer_prob' or 'kl'",
            )


def merge_heldout(
    discovery: Sequence[PairDocument], heldout: Sequence[PairDocument]
) -> tuple[PairDocument, ...]:
    """One dataset with its splits given: `heldout` replaces what `discovery` had held out."""
    kept = [pair for pair in discovery if pair.split is not Split.HELDOUT]
    return (
        *(pair.model_copy(update={"split": Split.DISCOVERY}) for pair in kept),
        *(pair.model_copy(update={"split": Split.HELDOUT}) for pair in heldout),
    )


def places(pairs: Sequence[PairDocument]) -> list[str]:
    """What messages call each pair: its line, and its number among the held-out where given."""
    found: list[str] = []
    n_heldout = 0
    for line, pair in enumerate(pairs, 1):
        n_heldout += pair.split is Split.HELDOUT
        suffix = f" (held-out pair {n_heldout})" if pair.split is Split.HELDOUT else ""
        found.append(f"line {line}{suffix}")
    return found


def dataset_document(pairs: Sequence[PairDocument], task: str) -> DatasetDocument:
    """The dataset as it is stored: canonical JSON lines and their hash.

    Equal pairs in equal order spell equally, whatever the spacing and key order of the file.
    """
    jsonl = "".join(_canonical_line(pair) + "\n" for pair in pairs)
    return DatasetDocument(sha256=sha256_hex(jsonl), task=task, n_pairs=len(pairs), jsonl=jsonl)


def _canonical_line(pair: PairDocument) -> str:
    record: dict[str, Any] = pair.model_dump(mode="json")
    record = {key: value for key, value in record.items() if value not in (None, [], {})}
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _lines(data: bytes) -> list[str]:
    # Split by line feed alone: str.splitlines would also cut at U+2028 inside a JSON string.
    rows = data.split(b"\n")
    while rows and not rows[-1].strip():
        rows.pop()
    found: list[str] = []
    offset = 0
    for number, row in enumerate(rows, 1):
        if not row.strip():
            fail(f"line {number}", "the line is blank; remove it, so that line n is pair n")
        try:
            found.append(row.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            column = error.start + 1
            fail(
                f"line {number}",
                f"byte {column} (0x{row[error.start]:02x}; byte {offset + column} of the file) is "
                "not UTF-8; save the file as UTF-8",
            )
        offset += len(row) + 1
    return found


def _check_lengths(pairs: Sequence[PairDocument], limits: Limits) -> None:
    for place, pair in zip(places(pairs), pairs, strict=True):
        if not isinstance(pair.clean, str):
            check_prompt_length(place, len(pair.clean), limits)


def check_prompt_length(place: str, length: int, limits: Limits) -> None:
    """Refuse a prompt of more than `limits.prompt_tokens` tokens."""
    if length > limits.prompt_tokens:
        raise DatasetLimitError(
            f"{place}: the prompt has {length:,} tokens; the limit is {limits.prompt_tokens:,}: "
            "shorten it"
        )


def _check_ids(pairs: Sequence[PairDocument]) -> None:
    # Ids may recur over splits: `--heldout FILE` joins two files that each count from 0.
    seen: dict[tuple[str, bool], str] = {}
    for place, pair in zip(places(pairs), pairs, strict=True):
        if pair.id is None:
            continue
        key = (pair.id, pair.split is Split.HELDOUT)
        if key in seen:
            fail(place, f"id {pair.id!r} is already that of {seen[key]}; ids must differ")
        seen[key] = place
