"""The office of test_promote, for every test that wants real promotions."""

from tests.release.test_promote import office

__all__ = ["office"]
