"""The Python client: `CircuitClient` and what it hands out. Loads no torch and no driver."""

from workers.client.client import CircuitClient
from workers.client.job import Job
from workers.client.motifs import Motifs
from workers.client.sweeps import Sweep
from workers.results.circuit import Circuit, EdgeScores, PairScores
from workers.results.comparison import Compared
from workers.results.evaluation import Evaluated
from workers.results.rows import Rows

__all__ = [
    "Circuit",
    "CircuitClient",
    "Compared",
    "EdgeScores",
    "Evaluated",
    "Job",
    "Motifs",
    "PairScores",
    "Rows",
    "Sweep",
]
