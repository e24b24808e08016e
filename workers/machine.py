"""What the machine refuses (room, memory, files, threads) as an error of ours, and not as a bug."""

from __future__ import annotations

import errno

from graph_schema.errors import CircuitServiceError, MissingError, ResourceError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
AWAY = (
    *(errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
    *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ENOTCONN, errno.ENOLCK),
)
"""What a disk or a store behind a network says that is away."""

HINTS = {
    **dict.fromkeys(NO_ROOM, "make room"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit on open files (ulimit -n)"),
    **dict.fromkeys((errno.EAGAIN, errno.ENOMEM), "end other processes or raise their limits"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "see who may read and write there"),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENODEV), "see that the disk is well"),
    **dict.fromkeys(AWAY, "see that the other end can be reached"),
    errno.ENAMETOOLONG: "use a shorter path (CIRCUITS_HOME)",
}


def known_error(error: BaseException) -> CircuitServiceError | None:
    """The error itself where it is ours, or the one that stands for it; None: it may be a bug."""
    return error if isinstance(error, CircuitServiceError) else machine_error(error)


def machine_error(error: BaseException) -> ResourceError | None:
    """The error of ours that stands for it, None where it may be a bug."""
    text = str(error)
    if isinstance(error, OSError) and error.errno in HINTS:
        where = f": {error.filename!r}" if error.filename else ""
        kind = MissingError if error.errno == errno.ENAMETOOLONG else ResourceError
        return kind(f"{error.strerror}{where}; {HINTS[error.errno]}, then try again")
    if isinstance(error, (TimeoutError, ConnectionError)):  # without a number: fsspec's, Python's
        return ResourceError(f"{text or type(error).__name__}; {HINTS[errno.ETIMEDOUT]}")
    # torch.OutOfMemoryError without importing torch; the allocator of the CPU raises RuntimeError.
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "not enough memory" in text)
    ):
        return ResourceError(f"out of memory: {text or type(error).__name__}; use a smaller chunk")
    if isinstance(error, ImportError) and ("failed to map" in text or "allocate memory" in text):
        return ResourceError(f"no memory for a library: {text}; raise its limit (ulimit -v)")
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return ResourceError(
            f"{text}; end other processes or raise their limit (ulimit -u), then try again"
        )
    return None
