"""A shard's work: the scores of a part of a discover job's pairs."""

from __future__ import annotations

from collections.abc import Sequence

from discovery.dictionaries import Loaded
from discovery.jobs.beginning import Begun
from discovery.methods.shards import Part, bounds, score_part
from discovery.models import LoadedModel
from discovery.progress import Checkpoint, Progress
from discovery.tasks.base import PairSet
from graph_schema.documents import Acdc, Limits
from graph_schema.documents.jobs import ShardSpec


def score_shard(
    spec: ShardSpec,
    model: LoadedModel,
    pairs: PairSet,
    *,
    limits: Limits,
    progress: Progress,
    checkpoint: Checkpoint,
    chunk: int | None = None,
    dictionaries: Sequence[Loaded] = (),
) -> Part:
    """The scores of the shard's pairs; what is asked otherwise is as for `discover`.

    Raises:
        CircuitServiceError: What `discover` raises before it selects edges.
    """
    asked = spec.discover
    assert not isinstance(asked.method, Acdc), "the spec refuses it"
    begun = Begun.of(
        asked,
        model,
        pairs,
        limits=limits,
        progress=progress,
        chunk=chunk,
        dictionaries=dictionaries,
    )
    n_pairs, clock = len(pairs.discovery), begun.session.clock
    mine = bounds(n_pairs, spec.index, spec.of)
    with clock.stage("scores"):
        found = score_part(
            asked.method, begun.work(checkpoint), mine, keep_pair_scores=asked.keep_pair_scores
        )
    return Part(
        mine.start,
        mine.stop,
        n_pairs,
        begun.identity(model, pairs),
        found.scores,
        found.per_pair,
        sum(clock.seconds.values()),
    )
