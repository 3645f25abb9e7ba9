"""Signing in: name and password, then the second factor; and that factor anew before an act."""

from dataclasses import replace

from alertd.console.guard import local_path
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.errors import InvalidAlert, NotFound
from alertd.pipeline import credentials, passkeys, sessions
from alertd.pipeline.credentials import Opened, WrongProof
from alertd.pipeline.sessions import Factor, Stage
from alertd.pipeline.throttle import TooManyTries


def network_of(call: Visit) -> str:
    return call.request.remote or ""


def agent_of(call: Visit) -> str:
    return call.request.headers.get("User-Agent", "")[:200]


def welcome(call: Visit, opened: Opened, to: str) -> Answer:
    """Go on with a new session's cookie."""
    if opened.stage is Stage.ENROLLING:
        answer = call.redirect("/account/second-factor")
    elif opened.stage is Stage.HALF:
        answer = call.to("/sign-in/second", local_path(to))
    else:
        answer = call.redirect(to)
    call.console.cookies.set(answer, call.console.cookies.session, opened.token)
    return answer


async def show(call: Visit) -> Answer:
    if call.session is not None and call.session.stage is Stage.FULL:
        return call.redirect(call.query("to", "/"))
    return await show_form(call, to=call.query("to", "/"))


async def show_form(call: Visit, *, to: str, error: str = "", name: str = "") -> Answer:
    return await call.render(
        "signin.html.j2",
        status=422 if error else 200,
        to=to,
        error=error,
        name=name,
        provider=call.console.extras.get("provider"),
    )


async def give_password(call: Visit) -> Answer:
    form = call.form
    name, to = form.get("name"), form.get("to", "/")
    password = form.raw("password")
    try:
        opened = await credentials.sign_in(
            call.tools, name, password, network=network_of(call), agent=agent_of(call)
        )
    except TooManyTries as error:
        return await show_form(call, to=to, error=wait(call, error), name=name)
    except WrongProof:
        wrong = call.say("Name or password is wrong. Both are read exactly as you type them.")
        return await show_form(call, to=to, error=wrong, name=name)
    return welcome(call, opened, to)


def wait(call: Visit, error: TooManyTries) -> str:
    until = call.words.clock(error.until)
    return call.say("Too many tries. The next one is read at %(until)s.", until=until)


# --- the second factor -----------------------------------------------------------------------


async def show_second(call: Visit) -> Answer:
    return await _second(call, to=call.query("to", "/"))


async def _second(call: Visit, *, to: str, error: str = "") -> Answer:
    has = await call.tools.store.read(credentials.factors, call.inside.person_id)
    options = await passkeys.ask(call.tools, call.inside) if has.passkeys else ""
    again = call.inside.stage is Stage.FULL
    return await call.render(
        "second.html.j2",
        status=422 if error else 200,
        to=to,
        error=error,
        has=has,
        options=options,
        action="/again" if again else "/sign-in/second",
        provider=call.console.extras.get("provider") if again and has.linked else None,
        again=again,
    )


async def _prove(call: Visit) -> Factor:
    if signed := call.form.get("passkey"):
        return await passkeys.check(call.tools, call.inside, signed)
    return await credentials.check_code(call.tools, call.inside, call.form.get("code"))


def _refused(call: Visit, error: Exception) -> str:
    if isinstance(error, TooManyTries):
        return wait(call, error)
    return call.say("This does not prove it is you. Take the next code, or try again.")


async def give_second(call: Visit) -> Answer:
    to = call.form.get("to", "/")
    try:
        factor = await _prove(call)
    except (WrongProof, TooManyTries) as error:
        return await _second(call, to=to, error=_refused(call, error))
    token = await credentials.complete(call.tools, call.inside, factor, agent=agent_of(call))
    return welcome(call, Opened(token, Stage.FULL), to)


async def give_again(call: Visit) -> Answer:
    """Take the second factor anew: it serves the next act."""
    to = call.form.get("to", "/")
    try:
        await _prove(call)
    except (WrongProof, TooManyTries) as error:
        return await _second(call, to=to, error=_refused(call, error))
    await sessions.keep(call.tools, call.inside.id, fresh_at=call.tools.clock())
    return call.redirect(to)


# --- the first time --------------------------------------------------------------------------


async def show_invitation(call: Visit) -> Answer:
    return await _invitation(await _addressed(call))


async def _addressed(call: Visit) -> Visit:
    """Speak as whoever is invited reads, unless another language was chosen in this browser."""
    if "language" in call.request.cookies:
        return call
    try:
        invited = await call.tools.store.read(
            credentials.invited, call.path("code"), call.tools.clock()
        )
    except NotFound:
        return call
    return replace(call, words=call.console.rendering.words(invited.language))


async def _invitation(call: Visit, error: str = "") -> Answer:
    secret = call.path("code")
    try:
        invited = await call.tools.store.read(credentials.invited, secret, call.tools.clock())
    except NotFound:
        return await call.render("invitation.html.j2", status=404, name="", error="", secret="")
    return await call.render(
        "invitation.html.j2",
        status=422 if error else 200,
        name=invited.name,
        error=error,
        secret=secret,
    )


async def accept_invitation(call: Visit) -> Answer:
    call = await _addressed(call)
    password = call.form.raw("password")
    if password != call.form.raw("password_again"):
        return await _invitation(call, call.say("The two passwords differ."))
    try:
        opened = await credentials.accept(
            call.tools, call.path("code"), password, agent=agent_of(call)
        )
    except InvalidAlert:
        return await _invitation(call, weak(call))
    except NotFound:
        return await _invitation(call)
    return welcome(call, opened, "/")


def weak(call: Visit) -> str:
    return call.say(
        "Choose at least %(shortest)s characters, not all alike.",
        shortest=credentials.SHORTEST_PASSWORD,
    )


PAGES: tuple[Page, ...] = (
    get("/sign-in", show, May.ANYONE),
    post("/sign-in", give_password, May.ANYONE),
    get("/sign-in/second", show_second, May.SECOND_FACTOR),
    post("/sign-in/second", give_second, May.SECOND_FACTOR),
    get("/again", show_second, May.OWN_ACCOUNT),
    post("/again", give_again, May.OWN_ACCOUNT),
    get("/invitation/{code}", show_invitation, May.ANYONE),
    post("/invitation/{code}", accept_invitation, May.ANYONE),
)
