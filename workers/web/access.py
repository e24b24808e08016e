"""Who may come in: whoever holds a URL that works once, and from then on a cookie.

The URL is printed where `circuits web` was started. What it gives is a session, signed with a key
of the home, so that a server that is started again knows the browsers that were let in before.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from graph_schema.private_files import private_folder, write_private

KEY_FILE = "web.key"
KEY_BYTES = 32
SESSION_SECONDS = 30 * 24 * 3600
INVITATION_SECONDS = 15 * 60
MOST_INVITATIONS = 20


def stored_key(folder: Path) -> bytes:
    """The key that sessions are signed with, made where there is none; its owner's alone."""
    path = private_folder(folder) / KEY_FILE
    try:
        key = bytes.fromhex(path.read_text())
    except (FileNotFoundError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        key = secrets.token_bytes(KEY_BYTES)
        write_private(path, key.hex())
    return key


class Access:
    """Invitations, each good for one browser, and the sessions that come of them.

    Args:
        key: Signs sessions; who knows it can make them.
        clock: Seconds since 1970.
    """

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._open: dict[str, float] = {}
        self._guard = threading.Lock()

    def invite(self) -> str:
        """A word that lets one browser in, for a quarter of an hour."""
        word = secrets.token_urlsafe(32)
        with self._guard:
            self._open[word] = self._clock() + INVITATION_SECONDS
            while len(self._open) > MOST_INVITATIONS:
                del self._open[next(iter(self._open))]
        return word

    def admit(self, word: str) -> str | None:
        """The session of a browser that came with this word; None where it is spent or none."""
        now = self._clock()
        with self._guard:
            found = next((each for each in self._open if _same(each, word)), None)
            if found is None or self._open.pop(found) < now:
                return None
        said = f"{int(now + SESSION_SECONDS)}.{secrets.token_urlsafe(16)}"
        return f"{said}.{self._signed('session', said)}"

    def knows(self, session: str) -> bool:
        """Whether this is a session of ours that has not run out."""
        said, _, signature = session.rpartition(".")
        if not _same(signature, self._signed("session", said)):
            return False
        until = said.partition(".")[0]
        return until.isdecimal() and int(until) > self._clock()

    def form_token(self, session: str) -> str:
        """What every form of a page carries, and every writing request brings back."""
        return self._signed("form", session)

    def may_write(self, session: str, token: str) -> bool:
        """Whether the token is that of this session."""
        return self.knows(session) and _same(token, self.form_token(session))

    def _signed(self, purpose: str, said: str) -> str:
        return hmac.new(self._key, f"{purpose} {said}".encode(), hashlib.sha256).hexdigest()


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(errors="replace"), b.encode(errors="replace"))
