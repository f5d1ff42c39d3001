"""What tests of the gate share: the office, for real promotions, and a decision to take apart."""

from tests.support.gate_cases import case, policy
from tests.support.office import office

__all__ = ["case", "office", "policy"]
