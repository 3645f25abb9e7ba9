"""Signing in at the identity provider, and proving it anew there before an act."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import structlog
from aiohttp import web

from alertd.console.guard import local_path
from alertd.console.pages import VISITOR, Answer, Page, Visit, get
from alertd.console.permissions import May
from alertd.console.signin import agent_of, show_form, welcome
from alertd.core.errors import NotFound
from alertd.oidc import Asked, Identity, Provider, ProviderError, link_of
from alertd.pipeline import identity as accounts
from alertd.pipeline.credentials import WrongProof
from alertd.pipeline.sessions import Stage
from alertd.vault import SealBroken

log = structlog.get_logger(__name__)

PATIENCE = timedelta(minutes=10)  # to sign in there
CALLBACK = "/sign-in/provider/callback"


async def go(call: Visit) -> Answer:
    """Send to the provider, with what only this browser can come back with."""
    anew = "anew" in call.request.query and call.session is not None
    to = local_path(call.query("to", "/"))
    asked = _asked(call, to, secrets.token_urlsafe(16), call.tools.clock(), anew=anew)
    try:
        where = await _provider(call).address(asked)
    except ProviderError as error:
        return await _failed(call, to, error)
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": where})


async def come_back(call: Visit) -> Answer:
    """Let in whom the provider has proved."""
    to = "/"
    try:
        asked, to = _recall(call)
        found = await _provider(call).redeem(_code(call), asked, call.tools.clock())
        return await (_prove_anew if asked.anew else _enter)(call, found, to)
    except (ProviderError, WrongProof) as error:
        return await _failed(call, to, error)


def _code(call: Visit) -> str:
    if call.query("iss", _provider(call).issuer) != _provider(call).issuer:
        raise ProviderError("another issuer answered")
    if "code" not in call.request.query:
        raise ProviderError("it did not sign anybody in")
    return call.query("code")


async def _enter(call: Visit, found: Identity, to: str) -> Answer:
    link = link_of(_provider(call).issuer, found.subject)
    try:
        opened = await accounts.sign_in(call.tools, link, strong=found.strong, agent=agent_of(call))
    except NotFound:
        return await call.render(
            "error.html.j2",
            status=HTTPStatus.FORBIDDEN,
            heading=call.say("Nobody here is linked with your account there"),
            way_out=call.say("Give an administrator what you are called there:"),
            details=[found.subject],
        )
    return welcome(call, opened, to)


async def _prove_anew(call: Visit, found: Identity, to: str) -> Answer:
    if not found.strong or call.inside.stage is not Stage.FULL:
        raise ProviderError("it did not ask for a second factor")
    link = link_of(_provider(call).issuer, found.subject)
    await accounts.prove_anew(call.tools, call.inside, link)
    return call.redirect(to)


async def _failed(call: Visit, to: str, error: Exception) -> Answer:
    log.warning("oidc.failed", why=str(error))
    said = call.say("Signing in at %(provider)s did not work.", provider=_provider(call).label)
    return await show_form(call, to=to, error=said)


def _provider(call: Visit) -> Provider:
    found: Provider | None = call.console.extras.get("provider")
    if found is None:
        raise NotFound("there is no such page")
    return found


# --- the state: sealed, and of use to this browser alone -------------------------------------


def _asked(call: Visit, to: str, salt: str, at: datetime, *, anew: bool) -> Asked:
    master = call.tools.vault.master
    said = json.dumps([to, salt, int(at.timestamp()), anew])
    bound = f"{call.request[VISITOR]}\n{salt}"
    return Asked(
        state=urlsafe_b64encode(master.seal(said.encode())).decode(),
        nonce=master.mac("oidc nonce", bound),
        verifier=master.mac("oidc verifier", bound),
        anew=anew,
        at=at,
    )


def _recall(call: Visit) -> tuple[Asked, str]:
    """Give what this browser was sent out with; another's nonce and verifier come out wrong."""
    try:
        sealed = urlsafe_b64decode(call.query("state"))
        to, salt, at, anew = json.loads(call.tools.vault.master.open(sealed))
    except (ValueError, SealBroken):
        raise ProviderError("the state is none of ours") from None
    begun = datetime.fromtimestamp(at, UTC)
    if call.tools.clock() > begun + PATIENCE:
        raise ProviderError("it took too long")
    return _asked(call, to, salt, begun, anew=anew), to


PAGES: tuple[Page, ...] = (
    get("/sign-in/provider", go, May.ANYONE),
    get(CALLBACK, come_back, May.ANYONE),
)
