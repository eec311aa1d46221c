"""`parvis conformance DIR`: runs test vectors against this build, and says folder by folder how it went.

Rule: a folder is known by its name and a file by its content, so a new file of a known form needs no code. What is
not applicable is said with its reason; a folder whose form is not run yet is said to be so, and fails nothing.
Source: FORMS.md beside the vectors.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from federation import conformance
from federation.conformance import Result

FAILED = 1


@click.command("conformance")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def command(folder: Path) -> None:
    """Run the vectors in DIR: a folder of one form, or a folder of such folders. Exit 1 when any fails."""
    forms = [folder] if folder.resolve().name in conformance.FORMS else _folders(folder)
    if not any(each.resolve().name in conformance.FORMS for each in forms):
        raise click.ClickException(f"No folder of {folder} has a form that is known.")
    failed: list[str] = []
    width = max(len(each.resolve().name) for each in forms)
    for each in forms:
        name = each.resolve().name
        if name not in conformance.FORMS:
            click.echo(f"{name:{width}}  not yet")
            continue
        results = list(conformance.run(each))
        click.echo(f"{name:{width}}  {_summary(results)}")
        failed += [f"{name}/{result.file}: {result.reason}" for result in results if _fails(result)]
        if not results:
            failed.append(f"{name}: there is nothing in it to run")
    for line in failed:
        click.echo(f"FAILED  {line}")
    sys.exit(FAILED if failed else 0)


def _folders(folder: Path) -> Sequence[Path]:
    return [each for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".")]


def _fails(result: Result) -> bool:
    return result.outcome == "failed"


def _summary(results: Sequence[Result]) -> str:
    """How many of each, and for what reasons some were skipped."""
    count = Counter(result.outcome for result in results)
    skipped = count["skipped"] + count["not-applicable"]
    why = f" ({'; '.join(_reasons(results))})" if skipped else ""
    return f"{count['passed']} passed, {count['failed']} failed, {skipped} skipped{why}"


def _reasons(results: Sequence[Result]) -> Iterator[str]:
    reasons = Counter(result.reason for result in results if result.outcome in {"skipped", "not-applicable"})
    return (f"{reason}: {number}" for reason, number in reasons.items())
