"""Many circuits asked for at once."""

from __future__ import annotations

from collections.abc import Iterable

from workers.client.job import Job
from workers.client.requests import Requests
from workers.requests.discover import DiscoverRequest, build_submission


class ManyRequests(Requests):
    """A connection that asks for many circuits at once: `submit_many`."""

    def submit_many(self, requests: Iterable[DiscoverRequest], *, force: bool = False) -> list[Job]:
        """The jobs of many requests, in this order, as `submit` makes each.

        All requests are checked before any is sent; then some hundred jobs are one transaction.
        Where this is cut short, those that are stored are done, and asking again goes on.

        Raises:
            SpecError: A request is wrong; nothing was sent.
            MissingExtraError: The local service has no torch to work with.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        settings = self.settings
        submissions = [
            build_submission(each, settings.limits, settings.cache_dir) for each in requests
        ]
        if not submissions:
            return []
        self._require_worker()
        records = self.service.submit_many(submissions, force=force)
        return [Job(self, *each) for each in zip(records, submissions, strict=True)]
