"""Job specs, one file a kind, and the record every job shares."""

from graph_schema.documents.jobs.base import (
    ErrorDocument,
    JobProgress,
    JobRecord,
    JobState,
    Need,
    Placement,
    RunRecord,
)
from graph_schema.documents.jobs.discover import DiscoverSpec, Tokenisation

__all__ = [
    "DiscoverSpec",
    "ErrorDocument",
    "JobProgress",
    "JobRecord",
    "JobState",
    "Need",
    "Placement",
    "RunRecord",
    "Tokenisation",
]
