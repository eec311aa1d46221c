"""What a run over vectors says, and how a runner says it.

Rule: a file passes, fails, or is not applicable because the product does not offer what it tests; nobody may
skip in silence. Source: FORMS.md beside the vectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from federation.errors import FederationError

Outcome = Literal["passed", "failed", "skipped", "not-applicable"]

_INPUTS = frozenset({"keys.json", "jwks.json", "messages.json", "package.json"})


#: What a file that is not as it should be may raise.
UNREADABLE = (FederationError, LookupError, TypeError, ValueError, AttributeError, OSError)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a run: the file (with its case, where it has several), the outcome, and why."""

    file: str
    outcome: Outcome
    reason: str = ""


class Differs(Exception):
    """An output or a decision is not the one that the file expects."""


class NotApplicable(Exception):
    """The file tests what the product does not offer."""


def expect(fact: object, reason: str) -> None:
    """Raise Differs unless the fact holds."""
    if not fact:
        raise Differs(reason)


def load(path: Path) -> Any:
    """A vector as JSON. Not the strict reader: vectors hold decimals, and what we refuse is in texts."""
    return json.loads(path.read_bytes())


def vectors(folder: Path) -> Iterator[Path]:
    """The files that are run: every `*.json` under the folder but the inputs, in the order of their names."""
    return (path for path in sorted(folder.rglob("*.json")) if path.name not in _INPUTS)


def run_file(name: str, check: Callable[[], None]) -> Result:
    """Run one check and turn what it raises into its result."""
    try:
        check()
    except NotApplicable as reason:
        return Result(name, "not-applicable", str(reason))
    except Differs as reason:
        return Result(name, "failed", str(reason))
    except UNREADABLE as error:
        return Result(name, "failed", f"{type(error).__name__}: {error}")
    return Result(name, "passed")


def run_files(folder: Path, check: Callable[[Path, Any], None]) -> Iterator[Result]:
    """Run `check` on every vector of a folder whose form depends on nothing but the file."""
    for path in vectors(folder):
        yield run_file(
            path.relative_to(folder).as_posix(),
            lambda path=path: check(path, load(path)),  # type: ignore[misc]
        )


def run_differences(
    folder: Path, is_form: Callable[[Any], bool], differences: Callable[[Any], Iterator[str]]
) -> Iterator[Result]:
    """Run a checker that says what differs, one sentence each, on every vector of a folder."""

    def check(_path: Path, vector: Any) -> None:
        if not is_form(vector):
            raise unknown_form()
        found = list(differences(vector))
        expect(not found, "; ".join(found))

    return run_files(folder, check)


def unknown_form() -> Differs:
    """The failure of a file that nobody knows how to read."""
    return Differs("unknown form")
