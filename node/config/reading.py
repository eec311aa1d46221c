"""From texts to values: the environment, the file beside it, and the list of providers."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from node.config.checks import refuse_readable
from node.config.errors import SettingsError

PREFIX = "PARVIS_"
SECTION = "parvis"
OTHER_NAMES = frozenset({"PARVIS_CONFIG", "PARVIS_FAILPOINT", "PARVIS_VECTORS"})
OTHER_PREFIXES = ("PARVIS_TEST_", "PARVIS_DEMO_", "PARVIS_BENCH_")
PROVIDER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
ACR_VALUE = re.compile(r"[!-~]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenID Connect provider that people of this organisation may sign in with."""

    name: str
    """Short name, part of the redirect URI `<origin>/auth/callback/<name>`."""
    label: str
    """What the sign-in button says."""
    issuer: str
    """Exactly the `issuer` of its metadata."""
    client_id: str
    client_secret: str = field(default="", repr=False)
    """Empty for a public client."""
    scopes: str = "openid profile email"
    creates_people: bool = True
    """Whether the first sign-in of somebody unknown creates the person."""
    acr: Mapping[str, str] = field(default_factory=lambda: {"phr": "phr", "phrh": "phrh"})
    """What its values of `acr` are called in charters; any other is the lowest, "0"."""


def values_of(cls: type[Any], env: Mapping[str, str]) -> dict[str, Any]:
    """What `env` and the file say of the fields of `cls`. Raises `SettingsError` for an unknown or missing one."""
    known = {each.name: each for each in fields(cls)}
    texts = _from_file(env, known)
    for name, text in env.items():
        if not name.startswith(PREFIX) or name in OTHER_NAMES or name.startswith(OTHER_PREFIXES):
            continue
        key = "environment" if name == "PARVIS_ENV" else name.removeprefix(PREFIX).lower()
        if key not in known:
            raise SettingsError(f"{name} is set, but there is no such setting.")
        texts[key] = text
    for name, each in known.items():
        if each.default is MISSING and name not in texts:
            raise SettingsError(f"{PREFIX}{name.upper()} is not set. {each.metadata['meaning']}")
    hints = get_type_hints(cls)
    return {name: _parsed(name, text, hints[name]) for name, text in texts.items()}


def _from_file(env: Mapping[str, str], known: Mapping[str, Field[Any]]) -> dict[str, str]:
    path = Path(env.get("PARVIS_CONFIG", "parvis.cfg"))
    if not path.exists():
        if "PARVIS_CONFIG" in env:
            raise SettingsError(f"PARVIS_CONFIG names {path}, which does not exist.")
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
        texts = dict(parser[SECTION])
    except (configparser.Error, KeyError, UnicodeDecodeError) as bad:
        raise SettingsError(f"{path} is not a settings file with a section [{SECTION}].") from bad
    for name in texts:
        if name not in known:
            raise SettingsError(f"{path} sets {name}, but there is no such setting.")
        if known[name].metadata["secret"]:
            refuse_readable(path)
    return texts


def _parsed(name: str, text: str, kind: Any) -> Any:
    shown = PREFIX + name.upper()
    text = text.strip()
    if kind is bool:
        answers = {
            "1": True,
            "yes": True,
            "true": True,
            "on": True,
            "0": False,
            "no": False,
            "false": False,
            "off": False,
        }
        if text.lower() not in answers:
            raise SettingsError(f"{shown} is {text!r}; it must be yes or no.")
        return answers[text.lower()]
    if kind is int:
        if not re.fullmatch(r"[0-9]{1,12}", text):
            raise SettingsError(f"{shown} is {text!r}; it must be a whole number.")
        return int(text)
    if kind is Path:
        return Path(text).expanduser() if text else Path()
    if kind == tuple[str, ...]:
        return tuple(part for part in re.split(r"[\s,]+", text) if part)
    if kind == tuple[Provider, ...]:
        return _providers(text)
    choices = getattr(kind, "__args__", None)
    if choices and text not in choices:
        raise SettingsError(f"{shown} is {text!r}; it must be one of {', '.join(choices)}.")
    return text


def _providers(text: str) -> tuple[Provider, ...]:
    if not text:
        return ()
    if not text.startswith("["):
        path = Path(text)
        if not path.exists():
            raise SettingsError(f"PARVIS_PROVIDERS names {path}, which does not exist.")
        refuse_readable(path)
        text = path.read_text(encoding="utf-8")
    try:
        providers = tuple(Provider(**each) for each in json.loads(text))
    except (ValueError, TypeError) as bad:
        raise SettingsError(
            "PARVIS_PROVIDERS is not a JSON list of providers with name, label, issuer and client_id."
        ) from bad
    for provider in providers:
        values = provider.acr.items() if isinstance(provider.acr, dict) else [("", "")]
        if not all(isinstance(each, str) and ACR_VALUE.fullmatch(each) for pair in values for each in pair):
            raise SettingsError(
                f"The provider {provider.name} has an acr that is no object of texts without blanks."
            )
        if not PROVIDER_NAME.fullmatch(provider.name):
            raise SettingsError(
                f"A provider is named {provider.name!r}; use lower-case letters, digits and hyphens."
            )
        if "openid" not in provider.scopes.split():
            raise SettingsError(f"The provider {provider.name} lacks the scope openid.")
    if len({provider.name for provider in providers}) != len(providers):
        raise SettingsError("Two providers in PARVIS_PROVIDERS have the same name.")
    if len({provider.issuer for provider in providers}) != len(providers):
        raise SettingsError("Two providers in PARVIS_PROVIDERS have the same issuer.")
    return providers


def key_from(path: Path) -> str:
    """The text of the key file; empty when there is none."""
    if not path.exists():
        return ""
    refuse_readable(path)
    return path.read_text(encoding="ascii").strip()
