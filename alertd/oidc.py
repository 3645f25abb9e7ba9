"""An OpenID Connect provider, as its client sees it: discovery, code flow with PKCE, ID tokens."""

import asyncio
import hashlib
import json
import warnings
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet
from yarl import URL

from alertd.core.errors import AlertdError, Reason, SendError
from alertd.courier import Courier
from alertd.guard import Guard
from alertd.sections import Oidc

# Signed with a key that only the provider has; a shared secret would let us make them ourselves.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
    *("Ed25519", "Ed448", "EdDSA"),  # the last is the older name of both, and still the usual one
)
LEEWAY_S = 60  # that clocks may differ by
_KEPT = timedelta(hours=1)  # what the provider says of itself, its keys among it
_AGAIN = timedelta(minutes=1)  # before it is asked anew for a key that nobody knows


class ProviderError(AlertdError):
    """The identity provider did not prove who this is; the text, for the log, names nobody."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.remedy = remedy  # for whoever sets it up


class Unreached(ProviderError):
    """The identity provider cannot be reached from here, for `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"it cannot be reached: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a visitor was sent to the provider with, and has to come back with."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    anew: bool  # the provider is to ask for every factor once more
    at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider has proved, by its own name for them."""

    subject: str = field(repr=False)
    strong: bool  # by what the settings accept as a second factor


@dataclass(frozen=True, slots=True)
class _Metadata:
    authorize: str
    token: str
    secret_in_body: bool
    keys: KeySet
    read_at: datetime


class Provider:
    """The one provider of the settings."""

    def __init__(self, settings: Oidc, guard: Guard, redirect_uri: str) -> None:
        self._settings = settings
        self._guard = guard
        self._redirect_uri = redirect_uri
        self._known: _Metadata | None = None
        self._reading = asyncio.Lock()

    @property
    def issuer(self) -> str:
        return str(self._settings.issuer)

    @property
    def label(self) -> str:
        return self._settings.label or urlsplit(self.issuer).hostname or self.issuer

    @property
    def is_second_factor(self) -> bool:
        """Tell whether some way of signing in there counts as a second factor here."""
        return bool(self._settings.accept_acr or self._settings.accept_amr)

    async def address(self, asked: Asked) -> str:
        """Give where the visitor signs in; raises ProviderError."""
        found = await self._metadata(asked.at)
        challenge = hashlib.sha256(asked.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": str(self._settings.client_id),
            "redirect_uri": self._redirect_uri,
            "scope": "openid",
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if self._settings.accept_acr:
            query["acr_values"] = " ".join(self._settings.accept_acr)
        if asked.anew:
            query |= {"prompt": "login", "max_age": "0"}
        return str(URL(found.authorize).update_query(query))

    async def check(self, now: datetime) -> None:
        """Ask the provider for all that signing in needs; raises ProviderError with a remedy."""
        await self._discover(now)

    async def redeem(self, code: str, asked: Asked, now: datetime) -> Identity:
        """Give whom a code stands for; raises ProviderError."""
        found = await self._metadata(now)
        token = await self._exchange(found, code, asked.verifier)
        try:
            claims = self._verified(token, found.keys, asked, now)
        except ProviderError:
            if found.read_at > now - _AGAIN:
                raise
            found = await self._metadata(now, newer_than=found.read_at)  # keys may have changed
            claims = self._verified(token, found.keys, asked, now)
        return Identity(claims["sub"], self._is_strong(claims))

    def _verified(self, token: str, keys: KeySet, asked: Asked, now: datetime) -> Mapping[str, Any]:
        expected = Expected(self.issuer, str(self._settings.client_id), asked.nonce)
        claims = read_token(token, keys, expected, now)
        if asked.anew and not _since(claims, asked.at):
            raise ProviderError("it did not ask for the factors anew")
        return claims

    def _is_strong(self, claims: Mapping[str, Any]) -> bool:
        methods = claims.get("amr")
        used = set(methods) if isinstance(methods, list) else set()
        accepted = self._settings
        return claims.get("acr") in accepted.accept_acr or not used.isdisjoint(accepted.accept_amr)

    # --- what is fetched ---------------------------------------------------------------------

    async def _metadata(self, now: datetime, newer_than: datetime | None = None) -> _Metadata:
        async with self._reading:
            known = self._known
            stale = known is None or known.read_at <= now - _KEPT or known.read_at == newer_than
            if known is None or stale:
                self._known = known = await self._discover(now)
            return known

    async def _discover(self, now: datetime) -> _Metadata:
        said = await self._fetch(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != self.issuer:
            remedy = f"write it as that does: {said.get('issuer')}"
            raise ProviderError("its discovery document names another issuer", remedy)
        signs = said.get("id_token_signing_alg_values_supported", ALGORITHMS)
        if not set(ALGORITHMS).intersection(signs):
            remedy = f"let it sign ID tokens by one of {', '.join(ALGORITHMS)}"
            raise ProviderError("it signs ID tokens by nothing that is accepted here", remedy)
        ways = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        keys = await self._keys(_endpoint(said, "jwks_uri"))
        return _Metadata(
            authorize=_endpoint(said, "authorization_endpoint"),
            token=_endpoint(said, "token_endpoint"),
            secret_in_body="client_secret_basic" not in ways,
            keys=keys,
            read_at=now,
        )

    async def _keys(self, url: str) -> KeySet:
        try:
            published: Any = await self._fetch(url)
            return KeySet.import_key_set(published)
        except ProviderError as error:
            remedy = "let this machine reach its jwks_uri, or name its network in outbound"
            raise ProviderError(f"its keys cannot be had: {error}", remedy) from None
        except (JoseError, ValueError, KeyError, TypeError):
            remedy = "its jwks_uri has to give a JSON Web Key Set"
            raise ProviderError("its keys cannot be read", remedy) from None

    async def _exchange(self, found: _Metadata, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        name, secret = str(self._settings.client_id), self._settings.secret
        headers = ["Content-Type: application/x-www-form-urlencoded"]
        if found.secret_in_body:
            form |= {"client_id": name, "client_secret": secret}
        else:
            pair = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
            headers.append(f"Authorization: Basic {b64encode(pair).decode()}")
        token = (await self._fetch(found.token, headers, urlencode(form).encode())).get("id_token")
        if not isinstance(token, str):
            raise ProviderError("its answer holds no ID token")
        return token

    async def _fetch(
        self, url: str, headers: list[str] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        courier = Courier(connections=1, per_host=1, connect_s=5, total_s=10, guard=self._guard)
        try:
            async with courier:
                answer = await (
                    courier.get(url) if body is None else courier.post(url, headers or [], body)
                )
        except SendError as error:
            raise Unreached(error.reason) from None
        if answer.status != 200:
            remedy = "look whether the address is complete: a discovery document has to be below it"
            raise ProviderError(f"it answered {answer.status}", remedy)
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise ProviderError("its answer is no JSON object", "look whether the address is right")
        return said


@dataclass(frozen=True, slots=True)
class Expected:
    issuer: str
    client_id: str
    nonce: str = field(repr=False)


def read_token(token: str, keys: KeySet, expected: Expected, now: datetime) -> Mapping[str, Any]:
    """Give the claims of an ID token; raises ProviderError unless it is ours, whole and new."""
    rules = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        nonce={"essential": True, "value": expected.nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # that EdDSA has got better names
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        rules.validate(claims)
    except (JoseError, ValueError) as error:
        raise ProviderError(f"its ID token does not hold: {type(error).__name__}") from None
    others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", expected.client_id) != expected.client_id or (
        others and "azp" not in claims
    ):
        raise ProviderError("its ID token was made for another client")
    return claims


def link_of(issuer: str, subject: str) -> str:
    """Give what an account is linked by: another provider's same name is another person."""
    return hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()


def _endpoint(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    if not isinstance(url, str) or urlsplit(url).scheme not in {"https", "http"}:
        raise ProviderError(f"its discovery document has no {name}", "alertd needs it")
    return url


def _since(claims: Mapping[str, Any], at: datetime) -> bool:
    said = claims.get("auth_time")
    if not isinstance(said, int):
        return False
    return datetime.fromtimestamp(said, UTC) >= at - timedelta(seconds=LEEWAY_S)
