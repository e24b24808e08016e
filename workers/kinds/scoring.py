"""What a job that scores a discover job's edges begins with, whether all of its pairs or a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import DiscoverSpec

if TYPE_CHECKING:
    from discovery.models import LoadedModel
    from discovery.tasks import PairSet
    from workers.job.checkpoints import Checkpoints
    from workers.job.workbench import Workbench


@dataclass(frozen=True)
class Ready:
    """A discover job, or a shard of one, with all that its work takes at hand."""

    model: LoadedModel
    pairs: PairSet
    options: dict[str, Any]
    """Of `discover` and `score_shard` alike."""
    checkpoints: Checkpoints


def ready(spec: DiscoverSpec, bench: Workbench) -> Ready:
    """Data checked, memory planned, and then the model loaded."""
    from discovery.jobs.sizes import CutSizes
    from discovery.methods.pair_scores import require_room
    from workers.job.checkpoints import Checkpoints

    inspected, pairs = bench.inspected(spec)
    limits = bench.settings.limits
    if spec.keep_pair_scores:
        require_room(len(pairs.discovery), bench.sizes(spec).graph.n_edges, limits)
    described = bench.described(spec, spec.dictionaries)
    chunk = bench.chunk(
        spec,
        pairs,
        method=spec.method,
        exact_top=spec.exact_top,
        keep_pair_scores=spec.keep_pair_scores,
        cut=CutSizes.of(spec, sum(each.n_numbers for each in described)),
    )
    bench.require_place()
    checkpoints = Checkpoints(bench.artifacts, bench.lease)
    bench.lease.once_stored(checkpoints.forget)
    model = bench.model(spec, inspected)
    options: dict[str, Any] = {
        "limits": limits,
        "progress": bench.lease,
        "checkpoint": checkpoints,
        "chunk": chunk,
        "dictionaries": bench.dictionaries(described, spec),
    }
    return Ready(model, pairs, options, checkpoints)
