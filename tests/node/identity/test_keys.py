"""Keys at the doors of administrators, keys for tokens, and the secret key that seals them all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from node.config import new_secret_key
from node.core import failpoints
from node.core.secrets import DoesNotOpen, Vault
from node.identity.services.token_keys import Kind, token_keys_of
from tests.node.identity.houses import Node

KEYS = "/admin/keys"


def test_keys_for_tokens_are_made_when_they_are_needed_and_stay(node: Node) -> None:
    keys = token_keys_of(node.ground)
    with node.ground.database.writing() as db:
        made = {kind: keys.signing(db, kind) for kind in Kind}
    with node.ground.database.writing() as db:
        assert {kind: keys.signing(db, kind) for kind in Kind} == made
        assert {each.id for each in keys.published(db)} == {each.id for each in made.values()}
    rsa, ed25519 = made[Kind.RSA].private, made[Kind.ED25519].private
    assert isinstance(rsa, RSAPrivateKey)
    assert rsa.key_size == 2048
    assert isinstance(ed25519, Ed25519PrivateKey)
    public = load_pem_public_key(made[Kind.ED25519].public.encode())
    public.verify(ed25519.sign(b"token"), b"token")  # type: ignore[union-attr,call-arg]


def test_a_former_key_for_tokens_is_published_for_the_overlap(node: Node) -> None:
    keys = token_keys_of(node.ground)
    with node.ground.database.writing() as db:
        first = keys.signing(db, Kind.ED25519)
        second = keys.rotate(db, Kind.ED25519)
        assert [each.id for each in keys.published(db)] == [second.id, first.id]
        assert keys.signing(db, Kind.ED25519).id == second.id
    node.clock.move(days=15)
    with node.ground.database.reading() as db:
        assert [each.id for each in keys.published(db)] == [second.id]


def test_former_secret_keys_open_and_the_first_one_seals() -> None:
    old, new = bytes(range(32)), bytes(range(1, 33))
    sealed = Vault(old).seal(b"secret", "row 1")
    both = Vault(new, old)
    assert both.open(sealed, "row 1") == b"secret"
    again = both.resealed(sealed, "row 1")
    assert again is not None
    assert Vault(new).open(again, "row 1") == b"secret"
    assert both.resealed(again, "row 1") is None
    with pytest.raises(DoesNotOpen):
        both.open(again, "row 2")
    with pytest.raises(DoesNotOpen):
        Vault(new).open(sealed, "row 1")


def test_a_crash_while_sealing_anew_loses_nothing(tmp_path: Path) -> None:
    """`parvis keys reseal` ends between two batches, is run again, and has nothing left the third time."""
    old, new = new_secret_key(), new_secret_key()
    env = {
        **os.environ,
        "PARVIS_ORIGIN": "http://aubier.localhost:8101",
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_ENVIRONMENT": "development",
        "PARVIS_DATA_DIR": str(tmp_path),
        "PARVIS_SECRET_KEY": old,
    }

    def parvis(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "node.cli", *arguments]
        return subprocess.run(
            command, env={**env, **changes}, capture_output=True, text=True, timeout=60, check=False
        )

    assert parvis("init").returncode == 0
    both = f"{new} {old}"
    crashed = parvis("keys", "reseal", PARVIS_SECRET_KEY=both, PARVIS_FAILPOINT="secrets.resealed")
    assert crashed.returncode == failpoints.STATUS, crashed.stderr
    again = parvis("keys", "reseal", PARVIS_SECRET_KEY=both)
    assert again.returncode == 0, again.stderr
    third = parvis("keys", "reseal", PARVIS_SECRET_KEY=new)
    assert third.stdout.strip() == "Sealed anew: 0."
    assert "current" in parvis("keys", "list", PARVIS_SECRET_KEY=new).stdout
    lost = parvis("keys", "reseal", PARVIS_SECRET_KEY=new_secret_key())
    assert lost.returncode == 1
    assert "former key" in lost.stderr
