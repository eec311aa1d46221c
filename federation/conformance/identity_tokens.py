"""`own-identity-tokens`: ID tokens, logout tokens and security events of a partner, read from `jwks.json` beside them.

Each file stands alone: what expects `accept-once` is brought twice. The agreement to assume is the one of the peering
profile, of which the parts that count stand here. Source: FORMS.md, *own-identity-tokens*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation import assertions
from federation.activity import Document
from federation.conformance.result import Result, expect, load, run_files, unknown_form
from federation.errors import InsufficientAuthentication
from federation.limits import CLOCK_SKEW_S
from federation.ports import Relation, State
from federation.tokens import BadToken, Jwk

_AGREEMENT: Document = {
    "parties": [{"node": "https://node.bolt.example/actor", "domains": ["bolt.example"]}],
    "identity": {"minAcr": ["phr", "phrh"], "maxAuthAge": 43200, "emailDomains": "declared-only"},
}
_RELATION = Relation(
    id="bolt",
    node="https://node.bolt.example/actor",
    name="Bolt",
    state=State.IN_FORCE,
    keys=(),
    inbox="",
    exchange="",
    invite="",
    agreement=_AGREEMENT,
    proven=frozenset({"bolt.example"}),
)
_CHALLENGE = {"acr_values": "phr phrh", "max_age": 43200}


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    given = load(folder / "jwks.json")
    return run_files(folder, lambda _path, vector: _check(vector, given))


def _check(vector: Any, given: Any) -> None:
    if (
        not isinstance(vector, dict)
        or vector.get("kind") not in _READ
        or vector.get("expect") not in _EXPECTED
    ):
        raise unknown_form()
    seen: set[str] = set()
    decision = ""
    for _time in range(_EXPECTED[vector["expect"]]):
        decision = _decide(vector, given, seen)
    expect(decision.partition(":")[0] == vector["expect"], f"{decision}; {vector['expect']} is expected")


def _decide(vector: Any, given: Any, seen: set[str]) -> str:
    try:
        token_id = _READ[vector["kind"]](vector["compact"], given)
    except BadToken as refusal:
        return f"reject: {refusal}"
    except InsufficientAuthentication as challenge:
        expect(challenge.members == _CHALLENGE, f"the challenge says {challenge.members}")
        return "step-up"
    decision = "accept-once" if token_id in seen else "accept"
    seen.add(token_id)
    return decision


def _id_token(token: str, given: Any) -> str:
    expected, now = given["expected"], given["now_epoch"]
    asked = assertions.Expected(
        expected["iss"], expected["aud"], expected["nonce"], "", now, leeway_s=CLOCK_SKEW_S
    )
    claims = assertions.id_token(token, given[expected["iss"]]["keys"], asked)
    assertions.check_partner(claims, _RELATION, datetime.fromtimestamp(now, UTC))
    return token


def _logout_token(token: str, given: Any) -> str:
    return assertions.logout_token(token, *_asked(given)).id


def _security_event(token: str, given: Any) -> str:
    return assertions.security_event(token, *_asked(given)).id


def _asked(given: Any) -> tuple[Sequence[Jwk], str, str, int]:
    expected = given["expected"]
    return given[expected["iss"]]["keys"], expected["iss"], expected["aud"], given["now_epoch"]


_READ = {"id_token": _id_token, "logout_token": _logout_token, "set": _security_event}
#: Decision -> how often the token is brought.
_EXPECTED = {"accept": 1, "accept-once": 2, "reject": 1, "step-up": 1}
