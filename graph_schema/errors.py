"""The errors of the service, sorted by who can act on them.

A message names the value, what was expected and the next step. Every constructor takes one
positional string, so an error survives its round trip through a job's error document.

Each class says what a job that failed with it does when the same request is submitted again.
`lasting`: the cause lies in the request itself (its spec, pairs or numbers), so the stored failure
answers. Else it lies in where or when the job ran (a place, a cache, an environment, an
installation, a limit that is a setting), and the job is tried again. `retryable`: it may pass by
itself, so a worker tries again before the job fails at all.
"""

from __future__ import annotations

from typing import ClassVar


class CircuitServiceError(Exception):
    """Root of every error this project raises on purpose."""

    retryable: ClassVar[bool] = False
    lasting: ClassVar[bool] = False


class SpecError(CircuitServiceError):
    """The request is wrong; the caller can fix it."""

    lasting = True


class LimitError(SpecError):
    """The request is over a limit that is a setting: ask for less, or raise the limit."""

    lasting = False


class DatasetError(SpecError):
    """A submitted dataset fails one of its checks; the message names the line."""


class DatasetLimitError(LimitError, DatasetError):
    """A dataset is larger or smaller than a setting allows."""


class ModelError(SpecError):
    """The model cannot be found, read, or is not one we have an adapter for.

    What lies at a path or in a cache, and what an installation can read, may change: not lasting.
    """

    lasting = False


class ModelUnavailable(ModelError):
    """The model is not where it was said to be now: its folder is away, the hub out of reach."""


class DictionaryError(SpecError):
    """A dictionary cannot be read, or does not fit the model; its files may change: not lasting."""

    lasting = False


class TaskNotPerformedError(SpecError):
    """The model does not do the task, so there is no behaviour to find a circuit for.

    How well it must do it is a setting (`limits.accuracy_floor`): not lasting.
    """

    lasting = False


class CypherError(SpecError):
    """A user's Cypher is refused or fails; the message says what and why."""


class NotFoundError(SpecError):
    """No job, circuit or dataset has this id; one may be stored later."""

    lasting = False


class NumericsError(CircuitServiceError):
    """The numbers broke: look at the data, the weights or the dtype."""

    lasting = True


class NonFiniteError(NumericsError):
    """A weight, activation or score is NaN or infinite."""


class NonFiniteWeightsError(NonFiniteError):
    """A weight is NaN or infinite: the file may be damaged and be fetched again."""

    lasting = False


class ResourceError(CircuitServiceError):
    """Something the job needs is not there now: memory, disk, a worker."""

    retryable = True


class DamagedError(ResourceError):
    """A stored file is not what was written there, and stays so: what made it is done again."""

    retryable = False


class MissingError(ResourceError):
    """What does not come by waiting: a device that a machine lacks, room in a path's name."""

    retryable = False


class StoreUnavailable(CircuitServiceError):
    """The graph database or the broker cannot be reached."""

    retryable = True


class StoreError(CircuitServiceError):
    """The graph database refuses a statement of ours: a fault of this code or of the server."""


class StoreVersionError(CircuitServiceError):
    """The database was written by a newer version of this code."""


class MissingExtraError(CircuitServiceError):
    """An optional part is not installed; the message names the pip command."""


class JobFailed(CircuitServiceError):
    """A job ended badly for a reason that has no class of its own here."""


class JobCancelled(CircuitServiceError):
    """The job was cancelled before it produced a circuit."""


class LeaseLost(CircuitServiceError):
    """Another worker owns the job now; whatever this one computed is not written."""


def _classes(root: type[CircuitServiceError]) -> dict[str, type[CircuitServiceError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_classes(child))
    return found


def error_from_document(type_name: str, message: str) -> CircuitServiceError:
    """The error that a job's document `{type, message}` stands for.

    A type this version does not know becomes `JobFailed` with the name kept in the message.
    """
    cls = _classes(CircuitServiceError).get(type_name)
    return cls(message) if cls else JobFailed(f"{type_name}: {message}")
