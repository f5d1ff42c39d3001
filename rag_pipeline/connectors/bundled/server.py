"""The server of a source that every machine with Python already has: its name, and which part of it is wanted."""

from dataclasses import dataclass
from typing import Any, cast, get_args

from rag_pipeline.connectors.bundled.modules import Methods
from rag_pipeline.connectors.bundled.selection import ALL, Selection
from rag_pipeline.errors import unknown_name
from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.server import ReadContext, Server

PROPERTIES = {
    "python_language": ("include", "exclude"),
    "python_library": ("include", "exclude", "methods"),
    "installed_packages": ("include", "exclude", "requiredBy", "leaveOutSections"),
}
"""The bundled sources by name, with the custom properties each understands."""


@dataclass(frozen=True, slots=True)
class BundledServer(Server):
    """`name`: which of them. `chosen`: which of its items. `methods`: how much modules say of methods.

    `required_by`: the package whose own requirements are wanted, "" for all packages. `leave_out_sections`: headings, as
    patterns, of what is left out of descriptions.
    """

    name: str
    chosen: Selection = ALL
    methods: Methods = "whole"
    required_by: str = ""
    leave_out_sections: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        return self.name

    @property
    def dataset(self) -> tuple[str, str]:
        return "bundled", self.name

    @property
    def judged(self) -> list[Any]:
        """What shapes a row. Which items are wanted decides nothing about those that are: the listing tells."""
        plain = ["bundled", None, self.name, "", ""]
        if self.methods == "whole" and not self.leave_out_sections:
            return plain
        return [*plain, self.methods, list(self.leave_out_sections)]

    def connect(self, context: ReadContext) -> Connector:
        from rag_pipeline.connectors.bundled.connector import InstalledPackages, PythonLanguage, PythonLibrary

        if self.name == "python_language":
            return PythonLanguage(chosen=self.chosen)
        if self.name == "python_library":
            return PythonLibrary(chosen=self.chosen, methods=self.methods)
        return InstalledPackages(chosen=self.chosen, required_by=self.required_by, leave_out=self.leave_out_sections)


def read(name: str, entry: Entry) -> BundledServer:
    methods = entry.text("methods") or "whole"
    if methods not in get_args(Methods):
        raise entry.fail_property("methods", unknown_name("value of methods", methods, get_args(Methods)))
    return BundledServer(
        name,
        chosen=Selection(
            entry.words("include", "pattern", or_one=True),
            entry.words("exclude", "pattern", or_one=True),
        ),
        methods=cast(Methods, methods),
        required_by=entry.text("requiredBy").strip(),
        leave_out_sections=entry.words("leaveOutSections", "pattern of headings", or_one=True),
    )
