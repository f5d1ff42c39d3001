"""A home that serves, for tests of the queue; each has a copy of its own."""

from tests.support.served import served, served_once

__all__ = ["served", "served_once"]
