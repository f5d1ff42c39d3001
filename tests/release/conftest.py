"""What tests of this folder share: the office, for real promotions, and a decision of the gate to take apart."""

from tests.release.cases import case, policy
from tests.release.test_promote import office

__all__ = ["case", "office", "policy"]
