"""Every setting of a node: name, unit, default, meaning; read once at start and passed on.

Rule: a frozen value, never a global. A setting comes from the environment (`PARVIS_ORIGIN`), else from the
file named by `PARVIS_CONFIG` or `parvis.cfg` in the working folder (section `[parvis]`, `origin = …`), else
from its default; what cannot work stops the start with one sentence. Source: SECURITY, TH-57, A12, A13, A14.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from node.config.checks import (
    LOCAL_NAMES,
    MIN_SECRET_BYTES,
    check_domain,
    check_network,
    check_proxy,
    clock_is_synchronised,
    decoded_key,
    is_loopback,
    refuse_readable,
)
from node.config.errors import SettingsError
from node.config.reading import ACR_VALUE, PREFIX, Provider, key_from, values_of

__all__ = [
    "LANGUAGES",
    "Provider",
    "Settings",
    "SettingsError",
    "create_secret_key",
    "described",
    "example",
    "new_secret_key",
]

LANGUAGES = ("en", "fr")
DATA_DIR = Path("var/node")
MIN_OVERLAP_DAYS = 7  # PROTOCOL 2.0, *Node key*


def setting(meaning: str, default: object = MISSING, *, unit: str = "", secret: bool = False) -> Any:
    """A field of `Settings` with what the manual says of it."""
    metadata = {"meaning": meaning, "unit": unit, "secret": secret}
    if default is MISSING:
        return field(metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator may set. `Settings.load(os.environ)` makes one and checks it."""

    origin: str = setting(
        "Where this node is reached, without a path: `https://parvis.example`. Never changes."
    )
    organisation: str = setting("The name of the organisation, as its partners read it.")
    environment: Literal["production", "development"] = setting(
        "`development` allows http and `.localhost` names, on this machine only.",
        "production",
    )
    language: str = setting("Language of pages for who has not chosen one: `en` or `fr`.", "en")
    timezone: str = setting("Time zone of pages, an IANA name.", "UTC")
    debug: bool = setting("Flask's debugger; refused outside development.", False)

    data_dir: Path = setting("Folder of database, files and key.", DATA_DIR)
    run_dir: Path = setting("Folder of the wake-up sockets; empty means `run` in the data folder.", Path())
    database_url: str = setting(
        "SQLAlchemy URL; empty means SQLite, `parvis.db` in the data folder.", "", secret=True
    )
    jobs_url: str = setting(
        "Queue of background work: `postgresql://…` or `redis://…`; empty means SQLite, `jobs.db` beside the database.",
        "",
        secret=True,
    )
    files_url: str = setting(
        "Where files lie: an fsspec URL; empty means `files` in the data folder.", "", secret=True
    )
    limits_url: str = setting(
        "Storage of the rate limits; `redis://…` when several processes serve.", "memory://", secret=True
    )
    person_rate: int = setting("Requests that one person may make; twice as many at once.", 300, unit="per s")
    visitor_rate: int = setting(
        "Requests from one address where nobody is signed in; twenty times as many at once.", 5, unit="per s"
    )
    secret_key: str = setting(
        "Base64url of at least 32 random bytes: seals private keys and signs cookies. Instead of the key file."
        " Former keys may follow, apart by spaces or lines: they only open, until `parvis keys reseal`.",
        "",
        secret=True,
    )
    secret_key_file: Path = setting(
        "File that holds the key, mode 0600; empty means `secret.key` in the data folder. `parvis init` makes it.",
        Path(),
    )

    key_overlap_days: int = setting(
        "How long a key that was changed is still accepted for what is new; at least 7.", 14, unit="days"
    )

    bind: str = setting("Address to listen on.", "127.0.0.1")
    port: int = setting("Port to listen on.", 8000)
    threads: int = setting("Threads of a process that answer requests.", 64)
    tls_cert_file: Path = setting(
        "Certificate chain (PEM), when no proxy ends TLS; empty means plain HTTP.", Path()
    )
    tls_key_file: Path = setting("Private key (PEM) of the certificate, mode 0600.", Path())
    proxies: tuple[str, ...] = setting(
        "Addresses or networks (CIDR) of the reverse proxies whose X-Forwarded headers count.", ()
    )

    email_domains: tuple[str, ...] = setting(
        "Domains of your people's e-mail addresses, as charters name them; each needs a record in the DNS:"
        " `parvis relation domains` shows it.",
        (),
    )

    background: bool = setting(
        "Whether `parvis serve` also delivers and works off jobs; else run `parvis worker`.", True
    )
    delivery: bool = setting("Whether this node sends to its partners.", True)
    job_threads: int = setting("Threads that work off jobs.", 1)
    live_slots: int = setting("Long polls held at once; the next one is answered at once.", 48)
    live_hold_s: int = setting("How long a long poll is held.", 25, unit="s")

    providers: tuple[Provider, ...] = setting(
        "OpenID Connect providers: JSON list of name, label, issuer, client_id, client_secret, scopes, creates_people,"
        " acr;"
        " or the path of a file that holds it.",
        (),
        secret=True,
    )
    builtin_accounts: bool = setting("Whether people may have a name and password here.", True)
    password_acr: str = setting(
        "What a sign-in by name and password is called in charters (`acr`); `0` is the lowest.", "0"
    )
    session_idle_min: int = setting("A session ends after so long without a request.", 30, unit="min")
    session_absolute_h: int = setting("A session ends so long after sign-in.", 12, unit="h")

    max_file_bytes: int = setting("Largest attachment.", 25 * 1024 * 1024, unit="bytes")
    backup_days: int = setting(
        "How long backups of this node are kept, as erasure receipts state it; 0: there are none.",
        35,
        unit="days",
    )
    ca_file: Path = setting(
        "Certificate authorities (PEM) trusted beside the usual ones; empty means none.", Path()
    )
    networks: tuple[str, ...] = setting("Private networks (CIDR) that partners or providers may live in.", ())
    check_clock: bool = setting(
        "Whether production refuses to start while the clock is not synchronised.", True
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting(
        "DEBUG, INFO, WARNING or ERROR.", "INFO"
    )
    log_format: Literal["json", "text"] = setting("Form of a log line.", "json")

    @classmethod
    def load(cls, env: Mapping[str, str]) -> Settings:
        """Settings from `env` and the optional file, paths filled in, checked. Raises `SettingsError`."""
        settings = cls(**_filled(values_of(cls, env)))
        settings.check()
        settings.check_key()
        return settings

    @property
    def is_development(self) -> bool:
        """The development profile of PROTOCOL 2.0: http and `.localhost`, on this machine only."""
        return self.environment == "development"

    @property
    def secret_keys(self) -> tuple[bytes, ...]:
        """The secret key, at least 32 bytes. Raises `SettingsError` when it is none."""
        return tuple(map(decoded_key, self.secret_key.split()))

    def check(self) -> None:
        """Raises `SettingsError` for the first thing that cannot work, or must not in production."""
        self._check_origin()
        if not self.organisation.strip():
            raise SettingsError("PARVIS_ORGANISATION is empty; give the name of the organisation.")
        if self.language not in LANGUAGES:
            raise SettingsError(
                f"PARVIS_LANGUAGE is {self.language!r}; it must be one of {', '.join(LANGUAGES)}."
            )
        if self.debug and not (self.is_development and is_loopback(self.bind)):
            raise SettingsError(
                "PARVIS_DEBUG is on; it is allowed in development on a loopback address only."
            )
        if self.is_development and not is_loopback(self.bind):
            raise SettingsError(f"PARVIS_BIND is {self.bind}; in development it must be a loopback address.")
        if self.key_overlap_days < MIN_OVERLAP_DAYS:
            raise SettingsError(f"PARVIS_KEY_OVERLAP_DAYS must be at least {MIN_OVERLAP_DAYS}.")
        if min(self.person_rate, self.visitor_rate) < 1:
            raise SettingsError("PARVIS_PERSON_RATE and PARVIS_VISITOR_RATE must be at least 1.")
        if not ACR_VALUE.fullmatch(self.password_acr):
            raise SettingsError("PARVIS_PASSWORD_ACR must be a text without blanks, at most 100 characters.")
        if self.backup_days < 0:
            raise SettingsError("PARVIS_BACKUP_DAYS must be 0 or more.")
        if bool(self.tls_cert_file.name) != bool(self.tls_key_file.name):
            raise SettingsError("PARVIS_TLS_CERT_FILE and PARVIS_TLS_KEY_FILE must be set together.")
        if self.tls_key_file.name:
            refuse_readable(self.tls_key_file)
        for network in self.networks:
            check_network(network)
        for proxy in self.proxies:
            check_proxy(proxy)
        for domain in self.email_domains:
            check_domain(domain)

    def check_key(self) -> None:
        """Raises `SettingsError` when the secret key is absent or weak."""
        if not self.secret_key:
            raise SettingsError(
                f"There is no secret key: set PARVIS_SECRET_KEY, or let `parvis init` make {self.secret_key_file}.",
            )
        _ = self.secret_keys

    def check_machine(self) -> None:
        """What only a real start must know: in production the clock is synchronised (TH-57)."""
        if self.check_clock and not self.is_development and not clock_is_synchronised():
            raise SettingsError(
                "The clock of this machine is not synchronised; start NTP, or set PARVIS_CHECK_CLOCK=no."
            )

    def _check_origin(self) -> None:
        try:
            parts = urlsplit(self.origin)
            host, port = parts.hostname or "", parts.port
        except ValueError as bad:
            raise SettingsError(f"PARVIS_ORIGIN is {self.origin!r}, which is no address.") from bad
        shown = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
        if parts.scheme not in {"https", "http"} or not host or self.origin != shown:
            raise SettingsError(
                f"PARVIS_ORIGIN is {self.origin!r}; write it like https://parvis.example, lower case, no path.",
            )
        if port == {"https": 443, "http": 80}[parts.scheme]:
            raise SettingsError(f"PARVIS_ORIGIN is {self.origin!r}; leave its default port out.")
        if parts.scheme == "http" and not self.is_development:
            raise SettingsError(
                f"PARVIS_ORIGIN is {self.origin!r}; outside development it must begin with https://."
            )
        if parts.scheme == "http" and not (LOCAL_NAMES.fullmatch(host) or is_loopback(host)):
            raise SettingsError(f"PARVIS_ORIGIN is {self.origin!r}; http is for names under .localhost only.")


def described() -> list[tuple[str, str, str, str]]:
    """(environment name, unit, default, meaning) of every setting, for the manual."""
    return [
        (
            PREFIX + each.name.upper(),
            each.metadata["unit"],
            "required" if each.default is MISSING else _shown(each.default),
            each.metadata["meaning"],
        )
        for each in fields(Settings)
    ]


def example(folder: Path) -> Settings:
    """Settings of a development node in `folder` with a key of its own, for tools that need an application."""
    return Settings(
        environment="development",
        origin="http://example.localhost:8000",
        organisation="Example",
        data_dir=folder,
        run_dir=folder / "run",
        database_url=f"sqlite:///{folder / 'parvis.db'}",
        files_url=(folder / "files").as_uri(),
        secret_key=new_secret_key(),
    )


def create_secret_key(env: Mapping[str, str]) -> Path | None:
    """Makes the key file where `env` wants it, mode 0600, unless there is a key; its path when it was made.

    Raises `SettingsError` for what else could not work.
    """
    settings = Settings(**_filled(values_of(Settings, env)))
    settings.check()
    path = settings.secret_key_file
    if settings.secret_key:
        return None
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(new_secret_key() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path


def new_secret_key() -> str:
    """A fresh key: base64url of 32 random bytes."""
    return base64.urlsafe_b64encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode("ascii").rstrip("=")


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    data: Path = (values.get("data_dir") or DATA_DIR).absolute()
    values["data_dir"] = data
    for name, below in (("run_dir", "run"), ("secret_key_file", "secret.key")):
        given: Path = values.get(name) or Path()
        values[name] = given.absolute() if given.name else data / below
    values["database_url"] = values.get("database_url") or f"sqlite:///{data / 'parvis.db'}"
    values["files_url"] = values.get("files_url") or (data / "files").as_uri()
    values["secret_key"] = values.get("secret_key") or key_from(values["secret_key_file"])
    return values


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    if default in (Path(), (), ""):
        return "–"
    return str(default)
