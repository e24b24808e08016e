"""What each exit code means; the README of a script that calls `circuits`."""

from __future__ import annotations

from enum import IntEnum

from graph_schema.errors import (
    CircuitServiceError,
    JobCancelled,
    MissingExtraError,
    ModelUnavailable,
    SpecError,
    StoreVersionError,
)


class ExitCode(IntEnum):
    """The command's verdict, sorted by who can act on it."""

    DONE = 0
    FAILED = 1
    """The job failed for a reason that lies in the numbers or in the work itself."""
    REQUEST = 2
    """The request is wrong: change it. Also what the command line itself refuses."""
    UNAVAILABLE = 3
    """Something is not there now (model folder, hub, database, broker, memory): try again later."""
    INSTALLATION = 4
    """This installation does not fit: a missing extra, or a database newer than the code."""
    CANCELLED = 5
    """The job was cancelled."""
    BUG = 70
    """An error that we did not foresee; please report it."""
    INTERRUPTED = 130
    """Ctrl-C. A submitted job goes on; one done here (`run`, `evaluate --here`) is cancelled."""
    CLOSED_PIPE = 141
    """Nobody read standard output to its end (`| head`); what was asked for is done."""


def exit_code(error: CircuitServiceError) -> ExitCode:
    """The exit code for an error of ours."""
    if isinstance(error, ModelUnavailable):
        return ExitCode.UNAVAILABLE
    if isinstance(error, SpecError):
        return ExitCode.REQUEST
    if isinstance(error, MissingExtraError | StoreVersionError):
        return ExitCode.INSTALLATION
    if isinstance(error, JobCancelled):
        return ExitCode.CANCELLED
    return ExitCode.UNAVAILABLE if error.retryable else ExitCode.FAILED
