"""What a model computes when any set of its edges is ablated, exactly.

`graph` names the edges, `ablation` the values put in their place, `metrics` what is measured. An
`Experiment` joins these to a model; a `State` computes a set of kept edges: `schedule` says which
components must run, `window` at which positions, `reading` what a receiver reads. A `Restart` tries
other reads of one receiver; `values` measures kept sets on every pair. Where whole senders are
ablated nobody reads a mixture: `stream` runs the model on its residual stream alone, and `silence`
sets of senders.
"""

from typing import TYPE_CHECKING

from graph_schema.on_demand import on_demand

if TYPE_CHECKING:
    from discovery.engine.ablation import Ablator, Example
    from discovery.engine.experiment import Bench, Experiment
    from discovery.engine.graph import BoolMatrix, Graph
    from discovery.engine.metrics import Objective, Target
    from discovery.engine.pair_values import Values, values
    from discovery.engine.restart import Restart
    from discovery.engine.state import State
else:  # most of it loads torch, and a plan needs none
    __getattr__, __dir__ = on_demand(__name__)

__all__ = [
    "Ablator",
    "Bench",
    "BoolMatrix",
    "Example",
    "Experiment",
    "Graph",
    "Objective",
    "Restart",
    "State",
    "Target",
    "Values",
    "values",
]
