"""What a long job has decided so far, kept in the artifact store for the attempt after it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graph_schema.errors import ResourceError, StoreUnavailable
from graph_schema.store.artifacts import ArtifactStore, decode
from workers.lease import Lease

log = logging.getLogger(__name__)


@dataclass
class Checkpoints:
    """A job's decisions so far, in the artifact store; written by the lease's owner alone."""

    artifacts: ArtifactStore
    lease: Lease
    _names: set[str] = field(default_factory=set[str])

    def load(self, name: str) -> dict[str, NDArray[np.generic]] | None:
        """What an earlier attempt saved under this name."""
        self._names.add(name)
        key = self._key(name)
        if not self.artifacts.exists(key):
            return None
        try:
            return decode(self.artifacts.load_bytes(key))
        except ResourceError as error:
            log.warning("checkpoint %s is not used: %s", key, error)
            return None

    def save(self, name: str, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Save, where the database can be asked whether the job is still ours.

        Raises:
            LeaseLost: Another worker has the job, and may be further.
        """
        self._names.add(name)
        try:
            self.lease.renew(self.lease.settings.lease_seconds, None)
        except StoreUnavailable:
            return
        self.artifacts.save(self._key(name), arrays)

    def forget(self) -> None:
        """Remove what the ended job no longer needs."""
        for name in self._names:
            self.artifacts.delete(self._key(name))

    def _key(self, name: str) -> str:
        return f"checkpoints/{self.lease.job_id}/{name}.safetensors"
