"""A discover job in shards: jobs that score a part of its pairs each, which it waits for.

How many there are is outside the job's identity, so it is the same job with as many as anybody
likes; it adds up what they found when it runs.
"""

from __future__ import annotations

import json
from dataclasses import replace

from graph_schema.documents import DatasetDocument, Split, TaskData
from graph_schema.documents.jobs import NO_SHARDS, DiscoverSpec, Need, ShardSpec
from graph_schema.errors import SpecError
from graph_schema.printable import whole_number
from workers.requests.submission import Submission


def check_shards(shards: int, spec: DiscoverSpec, dataset: DatasetDocument | None) -> None:
    """Refuse shards that a job cannot have.

    Raises:
        SpecError: Its method has none, or it has fewer pairs to discover on.
    """
    if shards <= 1:
        return  # fewer than one are refused with the rest of the placement
    if spec.method.name == "acdc":
        raise SpecError(NO_SHARDS)
    n_pairs = spec.data.pairs if isinstance(spec.data, TaskData) else None
    n_pairs = _to_discover_on(dataset) if dataset is not None else n_pairs
    if n_pairs is not None and shards > n_pairs:
        raise SpecError(
            f"shards is {whole_number(shards, ',')}, and there are {n_pairs:,} pairs to discover "
            f"on: ask for {n_pairs:,} at most"
        )


def _to_discover_on(dataset: DatasetDocument) -> int:
    """How many pairs are not held out by the dataset itself; a worker may hold out others."""
    lines = dataset.jsonl.split("\n")
    return sum(json.loads(line).get("split") != Split.HELDOUT for line in lines if line)


def sharded(submission: Submission) -> Submission:
    """The request with the jobs of its shards; as it is where its place asks for one piece."""
    spec, of = submission.spec, submission.placement.shards
    if of == 1 or not isinstance(spec, DiscoverSpec):
        return submission
    placement = submission.placement.model_copy(update={"shards": 1})
    shards = [
        Submission(ShardSpec(discover=spec, index=index, of=of), placement, submission.dataset)
        for index in range(of)
    ]
    needs = tuple(Need(job_id=each.spec.job_id, on_failure="fail") for each in shards)
    return replace(submission, needs=needs, before=tuple(shards))
