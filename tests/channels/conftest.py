"""What tests of channels share: the office, for real promotions."""

from tests.support.office import office

__all__ = ["office"]
