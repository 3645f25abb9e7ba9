"""One's own account: second factors, password, sessions."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import partial
from io import BytesIO

import segno
from markupsafe import Markup

from alertd.console.naming import device_name, programme_names, region_names, role_names
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.console.signin import agent_of, wait, weak
from alertd.core.errors import InvalidAlert
from alertd.pipeline import credentials, passkeys, sessions
from alertd.pipeline.credentials import WrongProof
from alertd.pipeline.sessions import Factor, Stage
from alertd.pipeline.throttle import TooManyTries
from alertd.vault import SealBroken


async def show(call: Visit) -> Answer:
    return await _account(call)


async def _account(call: Visit, error: str = "") -> Answer:
    me = call.inside.person_id
    store = call.tools.store
    return await call.render(
        "account.html.j2",
        status=422 if error else 200,
        error=error,
        has=await store.read(credentials.factors, me),
        keys=await store.read(passkeys.of_person, me),
        listed=await store.read(sessions.of_person, me, call.tools.clock()),
        rights=_rights(call),
        device=partial(device_name, call.words),
    )


def _rights(call: Visit) -> list[tuple[str, str]]:
    session = call.inside
    return [
        (call.say("Name"), session.name),
        (call.say("Roles"), role_names(call, session.roles)),
        (call.say("Regions"), region_names(call, session.jurisdiction.regions)),
        (call.say("Programmes"), programme_names(call, session.jurisdiction.programmes)),
    ]


async def change_password(call: Visit) -> Answer:
    new = call.form.raw("password")
    if new != call.form.raw("password_again"):
        return await _account(call, call.say("The two passwords differ."))
    try:
        await credentials.change_password(call.tools, call.inside, call.form.raw("old"), new)
    except InvalidAlert:
        return await _account(call, weak(call))
    except WrongProof:
        return await _account(call, call.say("Your present password is wrong."))
    except TooManyTries as error:
        return await _account(call, wait(call, error))
    await call.flash("Your password is changed; your other sessions have ended.")
    return call.redirect("/account")


async def end_session(call: Visit) -> Answer:
    await sessions.end(call.tools, call.actor, int(call.path("number")), own=True)
    await call.flash("The session has ended.")
    return call.redirect("/account")


# --- second factors --------------------------------------------------------------------------


async def show_factor(call: Visit) -> Answer:
    return await _factor(call)


async def _factor(call: Visit, error: str = "") -> Answer:
    tools, session = call.tools, call.inside
    secret = _unsealed(call) or credentials.new_totp_secret()
    return await call.render(
        "second_factor.html.j2",
        status=422 if error else 200,
        error=error,
        secret=" ".join(secret[n : n + 4] for n in range(0, len(secret), 4)),
        sealed=_sealed(call, secret),
        picture=_qr(credentials.totp_address(secret, session.name, tools.install)),
        options=await passkeys.offer(tools, session),
        first=session.stage is Stage.ENROLLING,
    )


def _sealed(call: Visit, secret: str) -> str:
    body = json.dumps([call.inside.person_id, secret]).encode()
    return urlsafe_b64encode(call.tools.vault.master.seal(body)).decode()


def _unsealed(call: Visit) -> str | None:
    """Give the secret that this very person was shown."""
    try:
        body = call.tools.vault.master.open(urlsafe_b64decode(call.form.get("sealed")))
    except (SealBroken, ValueError):
        return None
    person_id, secret = json.loads(body)
    return str(secret) if person_id == call.inside.person_id else None


def _qr(text: str) -> Markup:
    drawn = BytesIO()
    segno.make(text, micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=True, omitsize=True, svgclass="qr", lineclass=None
    )
    return Markup(drawn.getvalue().decode())  # noqa: S704 - drawn by the library, no text in it


async def add_totp(call: Visit) -> Answer:
    if not await _may_add(call):
        return call.to("/again", "/account/second-factor")
    secret = _unsealed(call) or credentials.new_totp_secret()
    try:
        await credentials.enrol_totp(call.tools, call.inside, secret, call.form.get("code"))
    except WrongProof:
        wrong = call.say("The code is wrong. Wait for the next one, and check the phone's clock.")
        return await _factor(call, wrong)
    return await _added(call, Factor.TOTP)


async def add_passkey(call: Visit) -> Answer:
    if not await _may_add(call):
        return call.to("/again", "/account/second-factor")
    try:
        await passkeys.enrol(
            call.tools, call.inside, call.form.get("passkey"), call.form.get("label")
        )
    except WrongProof:
        return await _factor(call, call.say("The passkey could not be read. Try again."))
    return await _added(call, Factor.PASSKEY)


async def _may_add(call: Visit) -> bool:
    """Whoever has a second factor gives it before adding another."""
    if call.inside.stage is Stage.ENROLLING:
        return True
    return await sessions.use_fresh_factor(call.tools, call.inside)


async def _added(call: Visit, factor: Factor) -> Answer:
    has = await call.tools.store.read(credentials.factors, call.inside.person_id)
    first = call.inside.stage is Stage.ENROLLING
    if not first and has.recovery:
        await call.flash("The second factor is added.")
        return call.redirect("/account")
    codes = await credentials.renew_recovery_codes(call.tools, call.inside)
    if not first:
        return await call.render("recovery.html.j2", codes=codes, first=False)
    token = await credentials.complete(call.tools, call.inside, factor, agent=agent_of(call))
    call = await call.become(token)
    answer = await call.render("recovery.html.j2", codes=codes, first=True)
    call.console.cookies.set(answer, call.console.cookies.session, token)
    return answer


async def renew_codes(call: Visit) -> Answer:
    await call.require_fresh_factor("/account")
    codes = await credentials.renew_recovery_codes(call.tools, call.inside)
    return await call.render("recovery.html.j2", codes=codes, first=False)


async def remove_passkey(call: Visit) -> Answer:
    await call.require_fresh_factor("/account")
    await passkeys.remove(call.tools, call.inside, int(call.path("number")))
    await call.flash("The passkey is removed.")
    return call.redirect("/account")


PAGES: tuple[Page, ...] = (
    get("/account", show, May.OWN_ACCOUNT),
    post("/account/password", change_password, May.OWN_ACCOUNT),
    post("/account/sessions/{number}/end", end_session, May.OWN_ACCOUNT),
    get("/account/second-factor", show_factor, May.ENROL),
    post("/account/second-factor/totp", add_totp, May.ENROL),
    post("/account/second-factor/passkey", add_passkey, May.ENROL),
    post("/account/recovery", renew_codes, May.OWN_ACCOUNT),
    post("/account/passkeys/{number}/remove", remove_passkey, May.OWN_ACCOUNT),
)
