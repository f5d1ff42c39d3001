"""Fixtures of the tests of connectors."""

from tests.support.installed_packages import site

__all__ = ["site"]
