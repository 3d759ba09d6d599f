"""botocore signs for an instant that a test chooses."""

import contextlib
import datetime
import threading

import botocore.auth


class FrozenClock:
    """Stands in for the datetime module inside botocore.auth."""

    timedelta = datetime.timedelta

    class datetime(datetime.datetime):
        instant = None

        @classmethod
        def utcnow(cls):
            return cls.instant


one_at_a_time = threading.Lock()  # the module is everybody's


@contextlib.contextmanager
def signing_at(timestamp):
    """timestamp: 2026-11-22T13:45:00Z."""
    with one_at_a_time:
        own, botocore.auth.datetime = botocore.auth.datetime, FrozenClock
        FrozenClock.datetime.instant = datetime.datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ")
        try:
            yield
        finally:
            botocore.auth.datetime = own
