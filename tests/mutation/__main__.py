"""What `make mutation` does: changes the code of the gates, one small change at a time, and asks the tests each time.

python -m tests.mutation [federation.gate ...] [--alive | --rest] [--minutes 60]

mutmut makes the changes: all those of a module stand in one text, and a name says which of them is in force. That text
is imported in the place of the module; the tests are collected once, run once to see which of them reach which
function, and then one process is forked for each change. It prints a table; what is left alive stands in `ALIVE`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from difflib import unified_diff
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name


def _of_federation(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/federation/test_{name}.py" for name in names)


#: Each module with the tests that are its own, and asked first; then come those of `EVERYWHERE`.
MODULES = {
    "federation.gate": _of_federation("refusals", "host", "rekeying", "recovery"),
    "federation.authority": _of_federation("authority", "refusals"),
    "federation.charter": _of_federation("charter", "handshake", "rekeying", "refusals"),
    "federation.fence": _of_federation("charter", "domains", "cutting"),
    "federation.signatures": (*_of_federation("signatures"), "tests/attacks/test_signature_vectors.py"),
    "federation.proofs": _of_federation("proofs"),
    "federation.exchange": _of_federation("exchange"),
    "federation.digest": _of_federation("digest"),
    "node.spaces.audience": ("tests/node/spaces/test_audience.py",),
}
EVERYWHERE = _of_federation(
    *("refusals", "host", "handshake", "rekeying", "recovery", "checkpoints", "relay", "recall", "ending"),
    *("cutting", "domains", "walks", "stopping", "repair", "replica", "activities", "charter", "exchange"),
)
FOLDER = Path("var/mutation")
RESULTS = FOLDER / "results.json"
ALIVE = FOLDER / "alive.diff"
#: The most that other tests than its own may take for one change, in seconds of CPU: those that kill do so sooner.
BUDGET_S = 2.0
#: A change that makes a test run so long is seen, as it would be by anybody who waits: seconds of CPU, and seconds.
HANGS_S, WAITS_S = 4, 60
#: After so many changes the verdicts are written down.
SAVED_AFTER = 50

KILLED, SURVIVED, HUNG, UNREACHED = "killed", "survived", "hung", "unreached"


class Changed(MetaPathFinder):
    """Gives the changed text in the place of a module, with the names of its changes."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.texts = dict[str, Path]()
        self.changes = dict[str, dict[str, str]]()
        """Of each module: each change, with the hash of the function that it is in."""
        self.lines = dict[str, list[str]]()
        """Of each change, and of each function as it is: its lines."""
        for module in modules:
            source = Path(*module.split(".")).with_suffix(".py")
            made = mutate_file_contents(str(source), source.read_text("utf-8"))
            text = FOLDER / source
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(made.code, "utf-8")
            self.texts[module] = text.resolve()
            all_lines = made.code.splitlines()
            for name, span in made.line_span_by_function_name.items():
                self.lines[f"{module}.{name}"] = all_lines[span.start - 1 : span.end]
            self.changes[module] = {
                f"{module}.{name}": made.hash_by_function_name[mangled_name_from_mutant_name(name)]
                for name in made.mutant_names
            }

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        text = self.texts.get(fullname)
        return None if text is None else spec_from_file_location(fullname, text)


class Run:
    """A pytest plugin: one session that asks the tests about each change in the list."""

    def __init__(self, todo: Sequence[str], until: float, save: Callable[[dict[str, str]], None]) -> None:
        self.todo, self.until, self.save = todo, until, save
        self.verdicts = dict[str, str]()
        self.reaching: defaultdict[str, list[str]] = defaultdict(list)
        self.durations = dict[str, float]()
        self.killers: defaultdict[str, list[str]] = defaultdict(list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("Not all tests could be collected.")
        items = {each.nodeid: each for each in session.items}
        red = self.learn(session)
        if red:
            print(f"Red without any change: {red}", file=sys.stderr)
            raise session.Failed
        gc.collect()
        gc.freeze()
        for number, change in enumerate(self.todo):
            if time.monotonic() > self.until:
                break
            self.verdicts[change] = self.ask(change, items)
            if number % SAVED_AFTER == 0:
                self.save(self.verdicts)
                print(f"{number} of {len(self.todo)}", file=sys.stderr, flush=True)
        self.save(self.verdicts)
        return True

    def learn(self, session: pytest.Session) -> str:
        """Run all once, unchanged: what reaches what, and in what time. Gives the first test that is red."""
        set_mutant_under_test("stats")
        for number, item in enumerate(session.items):
            began = time.process_time()
            # To the session itself at the end: fixtures of the session stay, all others are taken down.
            following: Any = session.items[number + 1] if number + 1 < len(session.items) else session
            reports = runtestprotocol(item, log=False, nextitem=following)
            if any(each.failed for each in reports):
                return f"{item.nodeid}\n" + "\n".join(each.longreprtext for each in reports)
            self.durations[item.nodeid] = time.process_time() - began
            for function in state()._stats:
                self.reaching[function].append(item.nodeid)
            state()._stats.clear()
        set_mutant_under_test("")
        return ""

    def ask(self, change: str, items: dict[str, pytest.Item]) -> str:
        """The verdict on one change, by a process of its own. What killed its neighbours is asked first."""
        function = mangled_name_from_mutant_name(change)
        names = self.ordered(function)
        if not names:
            return UNREACHED
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            _ask(change, [(items[name], self.durations[name]) for name in names], write)
        os.close(write)
        with os.fdopen(read) as pipe:
            killer = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if killer in items:
            kept = self.killers[function]
            kept[:] = [killer, *(each for each in kept if each != killer)]
        return {0: SURVIVED, -signal.SIGPROF: HUNG, -signal.SIGALRM: HUNG}.get(status, KILLED)

    def ordered(self, function: str) -> list[str]:
        own = MODULES[_module_of(function)]
        kept = self.killers[function]
        rest = sorted(
            (name for name in self.reaching[function] if name not in kept),
            key=lambda name: (not name.startswith(own), self.durations[name]),
        )
        spent, chosen = 0.0, list(kept)
        for name in rest:
            spent += 0 if name.startswith(own) else self.durations[name]
            if spent > BUDGET_S:
                break
            chosen.append(name)
        return chosen


def _ask(change: str, tests: Sequence[tuple[pytest.Item, float]], write: int) -> None:
    """In the child: the tests one after the other, until one is red."""
    status = 1
    try:
        set_mutant_under_test(change)
        following = [*(item for item, _ in tests[1:]), None]
        for (item, duration), then in zip(tests, following, strict=True):
            signal.setitimer(signal.ITIMER_PROF, HANGS_S + 4 * duration)
            signal.setitimer(signal.ITIMER_REAL, WAITS_S)
            if any(each.failed for each in runtestprotocol(item, log=False, nextitem=then)):
                os.write(write, item.nodeid.encode())
                break
        else:
            status = 0
    finally:
        os._exit(status)


def _module_of(name: str) -> str:
    return name.rpartition(".")[0]


def _table(changes: dict[str, dict[str, str]], verdicts: dict[str, str]) -> str:
    lines = [
        "| module | mutants | tried | killed | hung | alive | killed of tried |",
        "|---|---|---|---|---|---|---|",
    ]
    for module, names in changes.items():
        of = [verdicts[name] for name in names if name in verdicts]
        alive = of.count(SURVIVED) + of.count(UNREACHED)
        share = 100 * (len(of) - alive) / len(of) if of else 0.0
        row = (module, len(names), len(of), of.count(KILLED), of.count(HUNG), alive, f"{share:.1f} %")
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def _write_alive(changed: Changed, verdicts: dict[str, str]) -> None:
    with ALIVE.open("w", encoding="utf-8") as out:
        for names in changed.changes.values():
            for name in names:
                if verdicts.get(name) in {SURVIVED, UNREACHED}:
                    was = changed.lines[f"{mangled_name_from_mutant_name(name)}__mutmut_orig"]
                    diff = unified_diff(was, changed.lines[name], n=0, lineterm="")
                    said = [line for line in diff if line[0] != "@" and "__mutmut_" not in line][2:]
                    print(f"# {name}: {verdicts[name]}", *said, "", sep="\n", file=out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[*MODULES, []], help="all of them without any")
    parser.add_argument(
        "--alive", action="store_true", help="what was killed stands; ask about the others again"
    )
    parser.add_argument("--rest", action="store_true", help="what was tried stands; ask about what was not")
    parser.add_argument("--minutes", type=float, default=60, help="the most that it may take")
    chosen = parser.parse_args()
    until = time.monotonic() + 60 * chosen.minutes
    modules = chosen.modules or list(MODULES)
    changed = Changed(modules)
    sys.meta_path.insert(0, changed)
    # Nothing is shrunk, and equal runs are equal.
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    hypothesis.settings.load_profile("mutation")

    hashes = {name: known for names in changed.changes.values() for name, known in names.items()}
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    before = {name: verdict for name, (known, verdict) in kept.items() if hashes.get(name) == known}
    asked = set(hashes)
    if chosen.alive:
        asked -= {name for name, verdict in before.items() if verdict in {KILLED, HUNG}}
    if chosen.rest:
        asked -= set(before)
    verdicts = {name: verdict for name, verdict in before.items() if name not in asked}
    others = {name: row for name, row in kept.items() if _module_of(name) not in changed.changes}

    def save(found: dict[str, str]) -> None:
        verdicts.update(found)
        rows = others | {name: (hashes[name], verdict) for name, verdict in verdicts.items()}
        RESULTS.write_text(json.dumps(rows, indent=0, sort_keys=True), "utf-8")

    todo = sorted(asked)
    random.Random(1).shuffle(todo)  # so that what was not reached in time is like what was
    files = dict.fromkeys(name for module in modules for name in (*MODULES[module], *EVERYWHERE))
    # A red test is to be told from a green one, and quickly: nobody reads why.
    quick = ("-qq", "--no-header", "--no-summary", "--assert=plain", "--tb=native", "-W", "ignore")
    if pytest.main([*quick, *files], plugins=[Run(todo, until, save)]):
        sys.exit("The tests must be green without any change.")
    _write_alive(changed, verdicts)
    print(_table(changed.changes, verdicts))


if __name__ == "__main__":
    main()
