"""The evidence for and against a circuit: preset `quick`, and what `full` adds to it."""

from discovery.evaluation.full import Evidence, complete
from discovery.evaluation.measured import Measured
from discovery.evaluation.quick import evaluate

__all__ = ["Evidence", "Measured", "complete", "evaluate"]
