"""Sign-in with an OpenID Connect provider: the relying party's half of the code flow.

Rule: what a sign-in began with (provider, state, nonce, verifier) lives in the browser's sealed cookie, so an
answer counts only in the browser that asked, within ten minutes, from the provider that was asked. All HTTP
goes through egress. Authlib makes the authorization URL (PKCE S256) and asks the token endpoint; what it
gives back is checked by `federation.assertions`. Libraries of JOSE and OAuth are imported at the first sign-in.
Source: OpenID Connect Core 1.0; RFC 7636; RFC 9207; RFC 9700; SECURITY TH-41, TH-42, I11, I16.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _

from federation import assertions, documents, iris
from federation.adapters.egress import Egress, ListName
from federation.authn import LOWEST, SignIn
from federation.errors import EgressError, Malformed
from federation.http import Headers, Request
from federation.tokens import BadToken, UnknownKey
from node.config import Provider, SettingsError
from node.core.errors import Absent, Unavailable
from node.core.values import value
from node.identity.services.answers import SignInRefused, auth_time_of, code_of, domain_of, methods_of
from node.identity.services.people import Claims

METADATA_S = 3600
REFETCH_S = 60  # an unknown key id costs the provider one request a minute, whoever sends it
VERIFIER_CHARS = 64  # RFC 7636, section 4.1: 43 to 128
DISCOVERY_PATH = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
LIST: ListName = "providers"
LEEWAY_S = 60


class ProviderUnavailable(Unavailable):
    """The provider does not answer, or not as it should."""

    def __init__(self, provider: Provider, cause: str) -> None:
        super().__init__(
            _("The sign-in service %(name)s does not answer. Try again in a moment.", name=provider.label),
            cause=f"{provider.issuer}: {cause}",
        )


@value
class Pending:
    """A sign-in that was begun, as it waits in the browser. `begun_at` in seconds since 1970."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    begun_at: int
    max_age: int | None = None
    """The oldest sign-in, in seconds, that was asked for."""

    @property
    def asked(self) -> str:
        """The provider that was asked."""
        return self.provider

    def as_dict(self) -> dict[str, Any]:
        """For the cookie."""
        return asdict(self)


@value
class SignedIn:
    """What a provider vouched for. `provider_session` is its `sid`, when it says one."""

    provider: Provider
    claims: Claims
    provider_session: str | None
    sign_in: SignIn


@value
class _Metadata:
    """What a provider says of itself, checked against what was configured. `read_at` by the monotonic clock."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    says_iss: bool
    auth_method: str
    read_at: float


@dataclass(slots=True)
class _Keys:
    keys: tuple[Mapping[str, Any], ...]
    read_at: float


class RelyingParty:
    """The client of the configured providers; one instance a process."""

    def __init__(
        self,
        origin: str,
        providers: Sequence[Provider],
        *,
        development: bool = False,
        networks: Sequence[str] = (),
        ca_file: str | None = None,
    ) -> None:
        """`origin` is ours; `networks` and `ca_file` as for `Egress`. Raises SettingsError when a provider is us."""
        self._origin = origin
        self._development = development
        for provider in providers:
            if provider.issuer == origin:
                raise SettingsError(f"The provider {provider.name} has this node's own origin as its issuer.")
        self.providers = {provider.name: provider for provider in providers}
        self.form_targets = frozenset(iris.origin(provider.issuer) for provider in providers)
        self._origins = set(self.form_targets)
        self._egress = Egress(self._allows, development=development, networks=networks, ca_file=ca_file)
        self._lock = threading.Lock()
        self._metadata: dict[str, _Metadata] = {}
        self._keys: dict[str, _Keys] = {}

    def redirect_uri(self, provider: Provider) -> str:
        """Where this provider, and no other, sends the browser back (TH-41)."""
        return f"{self._origin}/auth/callback/{provider.name}"

    def leads_to(self, address: str) -> bool:
        """Whether a sign-in button may redirect there under `form-action`."""
        return iris.origin(address) in self.form_targets

    def provider(self, name: str) -> Provider:
        """The provider of this name. Raises Absent."""
        if name not in self.providers:
            raise Absent(f"no provider {name!r}")
        return self.providers[name]

    def begin(
        self,
        provider: Provider,
        next_path: str,
        now: datetime,
        *,
        acr_values: Sequence[str] = (),
        max_age: int | None = None,
    ) -> tuple[str, Pending]:
        """The address to send the browser to, and what to keep in it. Raises ProviderUnavailable.

        `acr_values` are those of charters, any of which will do; `max_age` in seconds (RFC 9470, section 4).
        """
        metadata = self._metadata_of(provider)
        pending = Pending(
            provider=provider.name,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(VERIFIER_CHARS)[:VERIFIER_CHARS],
            next=next_path,
            begun_at=int(now.timestamp()),
            max_age=max_age,
        )
        asked: dict[str, str] = {} if max_age is None else {"max_age": str(max_age)}
        if names := [name for name, value in provider.acr.items() if value in acr_values]:
            asked["acr_values"] = " ".join(names)
        with self._client(provider, metadata) as client:
            url, _state = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=pending.state,
                code_verifier=pending.verifier,
                nonce=pending.nonce,
                **asked,
            )
        return str(url), pending

    def finish(
        self,
        provider: Provider,
        answer: Mapping[str, Sequence[str]],
        pending: Pending | None,
        now: datetime,
    ) -> SignedIn:
        """Who signed in, from the query of the callback (name -> its values) and what the browser kept.

        Raises SignInRefused, ProviderUnavailable.
        """

        def is_issuer(said: str) -> bool:
            return said == provider.issuer or not (said or self._metadata_of(provider).says_iss)

        code, pending = code_of(answer, pending, provider.name, now.timestamp(), is_issuer)
        metadata = self._metadata_of(provider)
        tokens = self._tokens(provider, metadata, code, pending)
        expected = assertions.Expected(
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=pending.nonce,
            access_token=tokens["access_token"],
            now=int(now.timestamp()),
        )
        claims = verified = self._verified(provider, metadata, tokens["id_token"], expected)
        _check_age(verified, pending.max_age, int(now.timestamp()))
        if "name" not in claims and metadata.userinfo_endpoint:
            claims = {**self._userinfo(provider, metadata, tokens["access_token"], claims["sub"]), **claims}
        session = claims.get("sid")
        return SignedIn(
            provider=provider,
            claims=Claims(
                issuer=provider.issuer,
                subject=claims["sub"],
                name=_said(claims, "name"),
                preferred_username=_said(claims, "preferred_username"),
                email=_said(claims, "email") or None,
                language=_said(claims, "locale"),
            ),
            provider_session=session[:255] if isinstance(session, str) else None,
            sign_in=SignIn(
                provider.issuer,
                provider.acr.get(_said(verified, "acr"), LOWEST),
                methods_of(verified),
                auth_time_of(verified),
                domain_of(claims),
            ),
        )

    def _tokens(self, provider: Provider, metadata: _Metadata, code: str, pending: Pending) -> dict[str, str]:
        """`access_token` and `id_token` of the token endpoint."""
        from authlib.integrations.base_client import OAuthError

        try:
            with self._client(provider, metadata) as client:
                answer = client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=pending.verifier,
                    allow_redirects=False,
                )
        except OAuthError as cause:
            raise SignInRefused("code", str(cause)) from cause
        except (EgressError, OSError, ValueError) as cause:  # every error of requests is an OSError
            raise ProviderUnavailable(provider, repr(cause)) from cause
        tokens = {name: answer.get(name) for name in ("access_token", "id_token")}
        if not all(isinstance(value, str) and value for value in tokens.values()):
            raise SignInRefused("id-token", "the token endpoint gave none")
        if str(answer.get("token_type", "")).lower() != "bearer":
            raise SignInRefused("id-token", f"token_type is {answer.get('token_type')!r}")
        return tokens

    def _verified(
        self, provider: Provider, metadata: _Metadata, token: str, expected: assertions.Expected
    ) -> dict[str, Any]:
        """The claims of the ID token; the key set is read anew once when it lacks the key."""
        try:
            try:
                return assertions.id_token(token, self._keys_of(provider, metadata), expected)
            except UnknownKey:
                return assertions.id_token(
                    token, self._keys_of(provider, metadata, older_than_s=REFETCH_S), expected
                )
        except BadToken as cause:
            raise SignInRefused("id-token", str(cause)) from cause

    def _userinfo(
        self, provider: Provider, metadata: _Metadata, access_token: str, subject: str
    ) -> dict[str, Any]:
        """More claims about the same subject. Source: OpenID Connect Core 1.0, section 5.3.2."""
        fields = Headers([("Accept", "application/json"), ("Authorization", f"Bearer {access_token}")])
        said = self._read(provider, Request("GET", metadata.userinfo_endpoint, fields))
        if said.get("sub") != subject:
            raise SignInRefused("userinfo", f"sub is {said.get('sub')!r}, not {subject!r}")
        return said

    def _client(self, provider: Provider, metadata: _Metadata) -> Any:
        """Authlib's session, mounted on egress; a context manager."""
        from authlib.integrations.requests_client import OAuth2Session

        client = OAuth2Session(
            client_id=provider.client_id,
            client_secret=provider.client_secret or None,
            scope=provider.scopes,
            redirect_uri=self.redirect_uri(provider),
            code_challenge_method="S256",
            token_endpoint_auth_method=metadata.auth_method,
        )
        return self._egress.mount(client, LIST)

    def _metadata_of(self, provider: Provider) -> _Metadata:
        with self._lock:
            known = self._metadata.get(provider.name)
        if known is not None and time.monotonic() - known.read_at < METADATA_S:
            return known
        url = provider.issuer.rstrip("/") + DISCOVERY_PATH
        read = self._checked(provider, self._read(provider, Request("GET", url, _JSON)))
        with self._lock:
            self._metadata[provider.name] = read
            self._origins |= {iris.origin(url) for url in (read.token_endpoint, read.jwks_uri)}
            if read.userinfo_endpoint:
                self._origins.add(iris.origin(read.userinfo_endpoint))
        return read

    def _checked(self, provider: Provider, said: Mapping[str, Any]) -> _Metadata:
        """The metadata, when it is the configured issuer's and its addresses are such as we send people to."""
        if said.get("issuer") != provider.issuer:
            raise ProviderUnavailable(provider, f"its metadata says issuer {said.get('issuer')!r}")
        endpoints = {name: said.get(name, "") for name in ENDPOINTS}
        try:
            for name, url in endpoints.items():
                if url or name != "userinfo_endpoint":
                    iris.parse(url, development=self._development)
        except (Malformed, TypeError, AttributeError) as cause:
            raise ProviderUnavailable(
                provider, f"an endpoint is no address of ours to use: {cause}"
            ) from cause
        return _Metadata(
            **endpoints,
            says_iss=said.get("authorization_response_iss_parameter_supported") is True,
            auth_method=_auth_method(provider, said),
            read_at=time.monotonic(),
        )

    def _keys_of(
        self, provider: Provider, metadata: _Metadata, older_than_s: float = METADATA_S
    ) -> tuple[Mapping[str, Any], ...]:
        """The members of the provider's JWK set, read anew when what we have is older than this."""
        with self._lock:
            known = self._keys.get(provider.name)
        if known is not None and time.monotonic() - known.read_at < older_than_s:
            return known.keys
        said = self._read(provider, Request("GET", metadata.jwks_uri, _JSON))
        keys = tuple(key for key in documents.as_list(said.get("keys", [])) if isinstance(key, dict))
        with self._lock:
            self._keys[provider.name] = _Keys(keys, time.monotonic())
        return keys

    def _read(self, provider: Provider, request: Request) -> dict[str, Any]:
        """A JSON object from the provider. Raises ProviderUnavailable."""
        try:
            answer = self._egress.once(LIST, request)
            if answer.status != 200:
                raise ProviderUnavailable(provider, f"{answer.status} for {request.url}")
            return documents.loads(answer.body, floats=True)
        except (EgressError, Malformed) as cause:
            raise ProviderUnavailable(provider, f"{request.url}: {cause!r}") from cause

    def _allows(self, list_name: ListName, origin: str) -> bool:
        return list_name == LIST and origin in self._origins


_JSON = Headers([("Accept", "application/json")])


def _auth_method(provider: Provider, said: Mapping[str, Any]) -> str:
    """How we prove to be the client. Source: OpenID Connect Discovery 1.0, section 3 (basic when unsaid)."""
    if not provider.client_secret:
        return "none"
    offered = documents.as_list(said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]))
    return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"


def _said(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    return value if isinstance(value, str) else ""


def _check_age(claims: Mapping[str, Any], max_age: int | None, now: int) -> None:
    """That who signed in did so as lately as was asked. Source: OpenID Connect Core 1.0, section 3.1.3.7, 13."""
    at = auth_time_of(claims)
    if max_age is not None and (at is None or now - at > max_age + LEEWAY_S):
        raise SignInRefused("auth-time", f"auth_time is {claims.get('auth_time')!r}, at most {max_age} s old")
