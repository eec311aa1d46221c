"""What stops a node from starting, each with one sentence (TH-57)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import config
from node.config import Settings, SettingsError, checks, create_secret_key, new_secret_key

KEY = new_secret_key()


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Enough for a production node."""
    monkeypatch.chdir(tmp_path)
    return {
        "PARVIS_ORIGIN": "https://parvis.example",
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_DATA_DIR": str(tmp_path / "data"),
        "PARVIS_SECRET_KEY": KEY,
    }


def test_a_production_node_needs_little(env: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.load(env)
    assert settings.database_url == f"sqlite:///{tmp_path / 'data' / 'parvis.db'}"
    assert settings.run_dir == tmp_path / "data" / "run"
    assert settings.secret_keys == (base64.urlsafe_b64decode(KEY + "="),)
    assert KEY not in repr(settings)


REFUSED = {
    "no origin": ({"PARVIS_ORIGIN": None}, "PARVIS_ORIGIN is not set"),
    "no organisation": ({"PARVIS_ORGANISATION": " "}, "PARVIS_ORGANISATION is empty"),
    "http in production": ({"PARVIS_ORIGIN": "http://parvis.example"}, "must begin with https"),
    "a path": ({"PARVIS_ORIGIN": "https://parvis.example/"}, "write it like"),
    "upper case": ({"PARVIS_ORIGIN": "https://Parvis.example"}, "write it like"),
    "a user": ({"PARVIS_ORIGIN": "https://a@parvis.example"}, "write it like"),
    "the default port": ({"PARVIS_ORIGIN": "https://parvis.example:443"}, "leave its default port out"),
    "a port that is none": ({"PARVIS_ORIGIN": "https://parvis.example:x"}, "no address"),
    "http for a real name in development": (
        {"PARVIS_ORIGIN": "http://parvis.example", "PARVIS_ENV": "development"},
        "names under .localhost",
    ),
    "development on the net": (
        {"PARVIS_ENV": "development", "PARVIS_BIND": "0.0.0.0"},
        "must be a loopback address",
    ),
    "debug in production": ({"PARVIS_DEBUG": "yes"}, "PARVIS_DEBUG is on"),
    "no key": ({"PARVIS_SECRET_KEY": None}, "There is no secret key"),
    "a short key": ({"PARVIS_SECRET_KEY": "c2hvcnQ"}, "too weak"),
    "a key of zeros": ({"PARVIS_SECRET_KEY": "A" * 43}, "too weak"),
    "a key that is none": ({"PARVIS_SECRET_KEY": "!" * 43}, "not base64url"),
    "an unknown setting": ({"PARVIS_ORIGN": "x"}, "no such setting"),
    "an unknown language": ({"PARVIS_LANGUAGE": "de"}, "must be one of"),
    "an unknown environment": ({"PARVIS_ENVIRONMENT": "staging"}, "must be one of"),
    "a number that is none": ({"PARVIS_PORT": "-1"}, "whole number"),
    "a yes that is none": ({"PARVIS_DELIVERY": "perhaps"}, "yes or no"),
    "everybody as a network": ({"PARVIS_NETWORKS": "0.0.0.0/0"}, "too wide"),
    "no network": ({"PARVIS_NETWORKS": "*"}, "no network"),
    "every proxy": ({"PARVIS_PROXIES": "*"}, "name the address"),
    "everybody as a proxy": ({"PARVIS_PROXIES": "127.0.0.1,::/0"}, "may not be"),
    "half of TLS": ({"PARVIS_TLS_CERT_FILE": "/x.pem"}, "set together"),
    "a config file that is absent": ({"PARVIS_CONFIG": "/nowhere.cfg"}, "does not exist"),
    "providers that are no list": ({"PARVIS_PROVIDERS": '[{"name": "a"}]'}, "not a JSON list"),
    "a provider without openid": (
        {
            "PARVIS_PROVIDERS": json.dumps(
                [{"name": "a", "label": "A", "issuer": "i", "client_id": "c", "scopes": "x"}]
            )
        },
        "lacks the scope",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_to_start_with(env: dict[str, str], changes: dict[str, str | None], sentence: str) -> None:
    env |= {name: value for name, value in changes.items() if value is not None}
    for name in [name for name, value in changes.items() if value is None]:
        del env[name]
    with pytest.raises(SettingsError, match=sentence):
        Settings.load(env)


def test_refuses_two_providers_of_one_issuer(env: dict[str, str]) -> None:
    provider = {"label": "A", "issuer": "https://login.example", "client_id": "c"}
    env["PARVIS_PROVIDERS"] = json.dumps([{**provider, "name": "a"}, {**provider, "name": "b"}])
    with pytest.raises(SettingsError, match="same issuer"):
        Settings.load(env)


def test_development_allows_http_on_localhost_names(env: dict[str, str]) -> None:
    env |= {"PARVIS_ENV": "development", "PARVIS_ORIGIN": "http://aubier.localhost:8101"}
    assert Settings.load(env).is_development


def test_refuses_a_key_file_that_others_may_read(env: dict[str, str], tmp_path: Path) -> None:
    del env["PARVIS_SECRET_KEY"]
    path = create_secret_key(env)
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert create_secret_key(env) is None
    assert Settings.load(env).secret_key_file == path == tmp_path / "data" / "secret.key"
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        Settings.load(env)


def test_two_installations_never_share_a_key() -> None:
    assert new_secret_key() != new_secret_key()


def test_the_environment_wins_over_the_file(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "parvis.cfg").write_text("[parvis]\nport = 9000\nlanguage = fr\n", encoding="utf-8")
    env["PARVIS_PORT"] = "9001"
    settings = Settings.load(env)
    assert (settings.port, settings.language) == (9001, "fr")


def test_refuses_a_typing_error_in_the_file(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "parvis.cfg").write_text("[parvis]\nprot = 9000\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="sets prot"):
        Settings.load(env)


def test_refuses_a_readable_file_with_a_secret(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "parvis.cfg"
    path.write_text("[parvis]\ndatabase_url = postgresql://u:p@h/d\n", encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="others may read it"):
        Settings.load(env)


def test_production_refuses_a_clock_that_is_not_synchronised(
    env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "clock_is_synchronised", lambda: False)
    with pytest.raises(SettingsError, match="clock"):
        Settings.load(env).check_machine()
    Settings.load({**env, "PARVIS_CHECK_CLOCK": "no"}).check_machine()


def test_the_kernel_can_be_asked_about_the_clock() -> None:
    assert checks.clock_is_synchronised() in {True, False}


def test_settings_are_frozen(make_settings: Callable[..., Settings]) -> None:
    settings: Any = make_settings()
    with pytest.raises(AttributeError):
        settings.debug = True
