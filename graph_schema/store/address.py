"""Where a graph database is, a driver for it, and its driver's errors as ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from neo4j import Driver, GraphDatabase, TrustCustomCAs
from neo4j.exceptions import (
    AuthError,
    ConfigurationError,
    ConstraintError,
    DatabaseError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graph_schema.errors import CircuitServiceError, SpecError, StoreError, StoreUnavailable
from graph_schema.printable import escaped, without_secrets
from graph_schema.store.driver import bound_answers

_LOST = ServiceUnavailable | SessionExpired  # IncompleteCommit is a ServiceUnavailable
CONNECT_SECONDS = 5.0
SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")

_MET = ("Statement.EntityNotFound", "Transaction.Terminated", "Transaction.LockClientStopped")
_DROPPED = ("Request.Invalid", "Transaction.TransactionNotFound")
_SHUT_OUT = (
    *("Security.Unauthorized", "Security.AuthenticationRateLimit"),
    "Database.DatabaseNotFound",
)


@dataclass(frozen=True)
class StoreAddress:
    """Where the graph is, who writes and who only reads. Passwords stay out of the repr.

    `bolt+s://` and `neo4j+s://` check the server, against the certificates in `ca_file` (PEM) where
    one is named and else against the system's.
    """

    uri: str
    user: str = "neo4j"
    password: str = field(default="", repr=False)
    database: str = "neo4j"
    reader_user: str | None = None
    reader_password: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def as_reader(self) -> StoreAddress:
        """The same place with the read-only login, where there is one."""
        if self.reader_user is None:
            return self
        return StoreAddress(
            self.uri,
            self.reader_user,
            self.reader_password or "",
            self.database,
            ca_file=self.ca_file,
        )


def connect(address: StoreAddress, answer: float) -> Driver:
    """A driver for this address, which connects when it is first used.

    Raises:
        SpecError: The address is none.
    """
    if "@" in address.uri:
        raise SpecError(
            f"graph address {without_secrets(address.uri)!r} holds a user or a password; expected "
            "bolt://HOST:PORT, with CIRCUITS_GRAPH_USER and CIRCUITS_GRAPH_PASSWORD beside it"
        )
    uri, checked = address.uri, dict[str, Any]()
    scheme = _scheme(uri)
    place = uri.partition("://")[2]
    if address.ca_file is not None and scheme in ("bolt+s", "neo4j+s"):
        # The driver takes certificates of ours with the plain scheme alone.
        uri = f"{scheme.removesuffix('+s')}://{place}"
        checked = {"encrypted": True, "trusted_certificates": TrustCustomCAs(address.ca_file)}
    try:
        driver = GraphDatabase.driver(
            uri,
            **checked,
            auth=(address.user, address.password),
            user_agent="circuit-atlas",
            connection_timeout=min(CONNECT_SECONDS, answer),
            connection_acquisition_timeout=min(60.0, answer),
            max_connection_lifetime=3600.0,
        )
    except (ConfigurationError, ValueError) as error:
        raise _no_address(address.uri, error) from error
    bound_answers(driver, answer)
    return driver


def _scheme(uri: str) -> str:
    """The scheme of an address that names one server, which the driver itself does not require.

    It takes a port modulo 65,536, and `bolt:host` for this machine; by http:// it sends passwords.

    Raises:
        SpecError: It is none.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:  # a UnicodeError is one
        raise _no_address(uri, error) from error
    if parts.scheme not in SCHEMES:
        raise _no_address(uri, f"expected a scheme of {', '.join(SCHEMES)}")
    if escaped(uri) != uri or any(character.isspace() for character in uri):
        raise _no_address(uri, "it holds a blank or a control character")
    if not host or port == 0 or "," in parts.netloc:
        raise _no_address(uri, "it names no host and port")
    return parts.scheme


def _no_address(uri: str, why: object) -> SpecError:
    return SpecError(
        f"graph address {without_secrets(uri)!r} cannot be used: {why}; expected something like "
        "bolt://localhost:7687 or neo4j+s://host (CIRCUITS_GRAPH)"
    )


def timed_out(error: Exception) -> bool:
    """Whether the server ended a statement for its time."""
    return "TimedOut" in _code(error)


def conflicting(error: Exception) -> bool:
    """Whether a transaction failed by what others did, or by the server: it may hold next time.

    A ConstraintError is two MERGEs of one id meeting (ArcadeDB): the loser's second try finds the
    winner's node. Our statements name no record by its place, so one that is not found was another
    transaction's, which was undone (ArcadeDB) or has removed it (both servers) between two steps of
    the statement. A DatabaseError is the server's own fault: one that is ending fails so.
    """
    kinds = TransientError | ConstraintError | DatabaseError
    return isinstance(error, kinds) or _code(error).endswith(_MET)


def away(error: Exception) -> bool:
    """Whether the server, or its database, is not there: it may be starting, or ending."""
    return isinstance(error, _LOST) or _code(error).endswith("DatabaseUnavailable")


def dropped(error: Exception) -> bool:
    """Whether the server no longer knows a connection, or the transaction on it.

    The embedded server, while it ends, forgets who has logged in before it closes connections, and
    whoever goes on asking is then out of turn. The driver itself asks nothing that is.
    """
    return _code(error).endswith(_DROPPED) and not uncommitted(error)


def shut_out(error: Exception) -> bool:
    """Whether the server knows neither user nor database: wrong settings, or it is ending.

    It is the second to whoever it has let in before.
    """
    return _code(error).endswith(_SHUT_OUT)


def _code(error: Exception) -> str:
    return str(getattr(error, "code", None) or "")


def uncommitted(error: Exception) -> bool:
    """Whether the server could not commit, usually for want of room on its disk."""
    code = _code(error)
    # The embedded server's words, and Neo4j's code.
    said = code.endswith("TransactionNotFound") and "error on commit" in str(error)
    return said or code.startswith("Neo.DatabaseError.Transaction.")


def _first_line(error: Exception) -> str:
    text = (error.message if isinstance(error, Neo4jError) else None) or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].strip()


def to_our_error(
    error: Exception, address: StoreAddress, *, let_in: bool = False, works: bool = False
) -> CircuitServiceError:
    """The error of ours that stands for the driver's.

    Args:
        error: The driver's.
        address: Where it was met.
        let_in: The server has let this user in before, so settings are not what is wrong.
        works: The server does what else it is told, so it will fail the next time too.
    """
    if let_in and shut_out(error):
        return StoreUnavailable(
            f"graph database at {address.uri} no longer lets user {address.user!r} in: "
            f"{_first_line(error)}; see whether it is ending, or its passwords were changed, then "
            "try again"
        )
    if isinstance(error, AuthError):
        return SpecError(
            f"graph database at {address.uri} refuses user {address.user!r}: "
            f"{_first_line(error)}; check CIRCUITS_GRAPH_USER and CIRCUITS_GRAPH_PASSWORD"
        )
    if away(error) or dropped(error):
        return StoreUnavailable(
            f"graph database at {address.uri} cannot be reached: {_first_line(error)}; "
            "see that it runs and that CIRCUITS_GRAPH names it, then try again"
        )
    if uncommitted(error):
        return StoreUnavailable(
            f"graph database at {address.uri} cannot commit: {_first_line(error)}; see that the "
            "disk it writes to has room, then try again"
        )
    if isinstance(error, DatabaseError) and works:
        return StoreError(
            f"graph database at {address.uri} fails at a statement each time: {_first_line(error)} "
            f"({_code(error)}); see its log"
        )
    if isinstance(error, DatabaseError):
        return StoreUnavailable(
            f"graph database at {address.uri} fails: {_first_line(error)} ({_code(error)}); see "
            "its log, then try again"
        )
    if conflicting(error) and not isinstance(error, ConstraintError):
        return StoreUnavailable(
            f"graph database at {address.uri} is too busy: {_first_line(error)}; try again"
        )
    return StoreError(
        f"graph database at {address.uri} refuses a statement: {_first_line(error)} "
        f"({getattr(error, 'code', None) or type(error).__name__})"
    )
