"""`fep-vectors`: the Gherkin features of FEP-8b32 and FEP-521a."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from federation import jcs, multikey, proofs
from federation.conformance.result import Differs, NotApplicable, Result, expect, run_file, unknown_form
from federation.keys import PublicKey, SigningKey

_STEP = re.compile(r"\s*(?:Given|And|When|Then|But)\s+(.*)")
_QUOTED = re.compile(r'"([^"]*)"')
_FENCE = '"""'


@dataclass
class Scenario:
    """A scenario: its name, its tags, and its steps as (words, value)."""

    name: str
    tags: frozenset[str]
    steps: list[tuple[str, str]] = field(default_factory=list)

    def value(self, words: str) -> str:
        """The value of the first step with these words in it; raises Differs."""
        for step, value in self.steps:
            if words in step:
                return value
        raise Differs(f"no step with {words!r}")

    def has(self, *phrases: str) -> bool:
        """True when each of the phrases stands in a step."""
        return all(any(words in step for step, _ in self.steps) for words in phrases)


def scenarios(text: str) -> list[Scenario]:
    """Read a feature: a value stands in quotes, or in a block of text below its step."""
    found: list[Scenario] = []
    tags: frozenset[str] = frozenset()
    block: list[str] | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if stripped == _FENCE and block is None:
            block = []
        elif stripped == _FENCE and block is not None:
            words, _ = found[-1].steps.pop()
            found[-1].steps.append((words, "\n".join(block)))
            block = None
        elif block is not None:
            block.append(line)
        elif stripped.startswith("@"):
            tags = frozenset(stripped.split())
        elif stripped.startswith("Scenario:"):
            found.append(Scenario(stripped.removeprefix("Scenario:").strip(), tags))
        elif match := _STEP.match(line):
            quoted = _QUOTED.search(match[1])
            found[-1].steps.append((match[1], quoted[1] if quoted else ""))
    return found


def _equal(a: Any, b: str) -> bool:
    return jcs.canonicalize(a) == jcs.canonicalize(json.loads(b))


def _sign(scenario: Scenario) -> None:
    key = SigningKey.from_raw(multikey.decode_secret(scenario.value("secret key")), scenario.value("for key"))
    signed = proofs.sign(json.loads(scenario.value("document")), key, scenario.value("current time"))
    expect(_equal(signed, scenario.value("signed document is")), "the signed document differs")


def _verify(scenario: Scenario) -> None:
    document, actor = json.loads(scenario.value("signed document is")), json.loads(scenario.value("actor"))
    proof = proofs.proof_of(document)
    method = next(m for m in actor["assertionMethod"] if m["id"] == proof.verification_method)
    expect(method["controller"] == actor["id"] == proof.controller, "the key is of another actor")
    proofs.verify(document, PublicKey.from_multibase(method["id"], method["publicKeyMultibase"]))


def _multikey(scenario: Scenario) -> None:
    actor, raw = scenario.value("actor ID"), bytes.fromhex(scenario.value("Ed25519 public key"))
    wanted = json.loads(scenario.value("Multikey object is"))
    key = PublicKey(f"{actor}#ed25519-key", raw)
    made = {
        "id": key.key_id,
        "type": "Multikey",
        "controller": key.controller,
        "publicKeyMultibase": key.multibase,
    }
    expect(made == wanted, "the Multikey differs")
    expect(multikey.decode(wanted["publicKeyMultibase"]) == raw, "the Multikey reads as another key")


def _check(scenario: Scenario) -> None:
    if "@fep-c390" in scenario.tags:
        raise NotApplicable("identity proofs are not offered")
    if scenario.has("secret key", "signed document is"):
        _sign(scenario)
    elif scenario.has("signed document is", "actor", "document is valid"):
        _verify(scenario)
    elif scenario.has("Ed25519 public key", "Multikey object is"):
        _multikey(scenario)
    elif scenario.has("RSA public key", "Multikey object is"):
        raise NotApplicable("Multikeys are of Ed25519 alone")
    else:
        raise unknown_form()


def run(folder: Path) -> Iterator[Result]:
    """Run every feature under a folder, one result a scenario."""
    for path in sorted(folder.rglob("*.feature")):
        name = path.relative_to(folder).as_posix()
        for scenario in scenarios(path.read_text(encoding="utf-8")):
            yield run_file(f"{name}: {scenario.name}", partial(_check, scenario))
