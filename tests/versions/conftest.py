"""What tests of answer versions share: the office, which serves, with a model on this machine that can lie."""

from tests.support.answer_versions import desk, model
from tests.support.office import office

__all__ = ["desk", "model", "office"]
