"""The Python client: `CircuitClient` and what it hands out. Loads no torch and no driver."""

from workers.client.circuit import Circuit, EdgeScores, PairScores
from workers.client.client import CircuitClient
from workers.client.comparison import Compared
from workers.client.evaluation import Evaluated
from workers.client.job import Job
from workers.client.motifs import Motifs
from workers.client.rows import Rows

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
]
