"""The part of the client that backs up a service's graph and artifacts, and restores them."""

from __future__ import annotations

from pathlib import Path

from workers.client.connection import Connection
from workers.results.backed_up import BackedUp


class BackupRequests(Connection):
    """What a client asks of everything that is stored."""

    def backup(self, file: str | Path, *, force: bool = False) -> BackedUp:
        """Write the graph, and the artifacts that it refers to, into one file; returns what.

        Args:
            file: A ZIP, there whole or not at all, for its owner alone.
            force: Replace one that is there.

        Raises:
            SpecError: It is there, and `force` is off.
            ResourceError: The graph was changed while it was read.
        """
        from workers.client.backup import back_up

        return back_up(self.service, Path(file), force=force)

    def restore(self, file: str | Path, *, force: bool = False) -> BackedUp:
        """Read a backup into the graph of this client's settings, of either kind of server.

        Whole or not at all: others are refused until it is, and what fails leaves an empty graph.

        Args:
            file: What `backup` has written.
            force: Delete what the graph holds, first.

        Raises:
            SpecError: The file is no backup, or was changed; or the graph is not empty and `force`
                is off; or a worker uses the graph.
            StoreVersionError: The backup or the graph is of a newer release.
        """
        from workers.client.backup import restore

        self.close()
        return restore(self.settings, Path(file), force=force)
