"""What a long job has decided so far, kept in the artifact store for the attempt after it.

A checkpoint is sealed: with a hash over its key, which has the job's id, and its arrays. One that
is torn, damaged or another job's is left aside, and the job starts anew. One that cannot be written
costs the attempt after it time, and never the job. They go once the result is in the graph
(`Lease.once_stored`): an attempt that ends between its last number and its commit is resumed too.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graph_schema.array_files import decode, encode
from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import sha256_hex
from graph_schema.errors import NotFoundError, ResourceError, StoreUnavailable
from workers.job.lease import Lease

log = logging.getLogger(__name__)

SEAL = "seal"

Arrays = dict[str, NDArray[np.generic]]


@dataclass
class Checkpoints:
    """A job's decisions so far, in the artifact store; written by the lease's owner alone."""

    artifacts: ArtifactStore
    lease: Lease
    _names: set[str] = field(default_factory=set[str])

    def load(self, name: str) -> Arrays | None:
        """What an earlier attempt saved under this name."""
        self._names.add(name)
        return load_sealed(self.artifacts, self._key(name))

    def save(self, name: str, arrays: Arrays) -> None:
        """Save, where there is room and the database can be asked whether the job is still ours.

        Raises:
            LeaseLost: Another worker has the job, and may be further.
        """
        self._names.add(name)
        try:
            self.lease.renew(self.lease.settings.lease_seconds, None)
        except StoreUnavailable:
            return
        key = self._key(name)
        try:
            save_sealed(self.artifacts, key, arrays)
        except (ResourceError, StoreUnavailable) as error:  # the first artifact marks the store
            log.warning("checkpoint %s is not saved: %s", key, error)

    def forget(self) -> None:
        """Remove what a job whose result is in the graph no longer needs."""
        for name in self._names:
            try:
                self.artifacts.delete(self._key(name))
            except ResourceError as error:
                log.warning("%s", error)

    def _key(self, name: str) -> str:
        return checkpoint_key(self.lease.job_id, name)


def checkpoint_key(job_id: str, name: str) -> str:
    """Where a job's checkpoint of this name lies."""
    return f"checkpoints/{job_id}/{name}.safetensors"


def load_sealed(artifacts: ArtifactStore, key: str) -> Arrays | None:
    """What `save_sealed` wrote there; None where there is nothing, or nothing to be trusted."""
    try:
        found = decode(artifacts.load_bytes(key))
    except NotFoundError:
        return None
    except ResourceError as error:
        log.warning("checkpoint %s is not used: %s", key, error)
        return None
    seal = found.pop(SEAL, None)
    if seal is None or seal.tolist() != [_seal(key, found)]:
        log.warning("checkpoint %s is not used: it is damaged or another job's", key)
        return None
    return found


def save_sealed(artifacts: ArtifactStore, key: str, arrays: Arrays) -> None:
    """Write arrays with a hash over them and their key.

    Raises:
        ResourceError: They cannot be written.
    """
    artifacts.save(key, {**arrays, SEAL: np.array([_seal(key, arrays)])})


def _seal(key: str, arrays: Arrays) -> str:
    return sha256_hex(key.encode() + encode(dict(sorted(arrays.items()))))
