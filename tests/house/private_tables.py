"""A contract of ours for import-linter: what lies in `X.tables` is imported from inside package X only.

import-linter's own `protected` does not catch a sibling's service when modules are named with a wildcard.
"""

from __future__ import annotations

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PrivateTables(Contract):
    """`packages`: the roots to look in; `module`: the name of the private module (or package)."""

    packages = fields.ListField(subfield=fields.StringField())
    module = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        broken = [
            (importer, name)
            for name in sorted(graph.modules)
            if (owner := self._owner(name)) is not None
            for importer in sorted(graph.find_modules_that_directly_import(name))
            if importer != owner and not importer.startswith(f"{owner}.")
        ]
        output.verbose_print(verbose, f"{len(broken)} imports of another's {self.module}.")
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, private in check.metadata["broken"]:
            output.print_error(f"{importer} imports {private}, which is private to its package.")

    def _owner(self, name: str) -> str | None:
        roots: Any = self.packages
        private: Any = self.module
        parts = name.split(".")
        if parts[0] not in roots or private not in parts:
            return None
        return ".".join(parts[: parts.index(private)])
