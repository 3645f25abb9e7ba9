"""A page says once what the router and the authorisation need; a handler gets a `Visit`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Self

import structlog
from aiohttp import web
from yarl import URL

from alertd.console import guard
from alertd.console.explaining import explain
from alertd.console.forms import Form, read_form
from alertd.console.navigation import SECTIONS
from alertd.console.permissions import DECIDING, May, admits, held
from alertd.console.rendering import Rendering, Words
from alertd.core.errors import NotAllowed, NotFound
from alertd.pipeline import sessions
from alertd.pipeline.jurisdiction import hold
from alertd.pipeline.sessions import Session, Stage
from alertd.tools import Actor, Tools
from alertd.web.hardening import CLIENT_LEFT, PERSON
from alertd.web.problems import DEFECT, kind_of, places

log = structlog.get_logger(__name__)

Answer = web.StreamResponse
VISITOR: web.RequestKey[str] = web.RequestKey("visitor", str)

# What a path parameter may look like; anything else is an unknown path.
PARAMETERS: Mapping[str, str] = {
    "id": "[0-9a-z]{1,20}",
    "number": "[0-9]{1,18}",
    "name": "[A-Za-z0-9_.-]{1,80}",
    "code": "[A-Za-z0-9_-]{1,80}",
}


class NotFresh(NotAllowed):
    """The second factor has to be given anew; the act's own page, `back`, is where it goes on."""

    def __init__(self, back: str) -> None:
        self.back = back
        super().__init__("the second factor is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What all pages share; made once."""

    tools: Tools
    rendering: Rendering
    cookies: guard.Cookies
    extras: Mapping[str, Any] = field(default_factory=dict)  # the watcher, the press: by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of somebody who may make it."""

    console: Console
    request: web.Request
    page: "Page"
    form: Form
    session: Session | None
    csrf: str = field(repr=False)
    words: Words
    may: frozenset[May]  # what this person may do; nothing for whoever is not all the way in

    @property
    def tools(self) -> Tools:
        return self.console.tools

    @property
    def language(self) -> str:
        return self.words.language

    @property
    def inside(self) -> Session:
        """Give the session of a page that needs one."""
        if self.session is None:
            raise NotAllowed("sign in first")
        return self.session

    @property
    def actor(self) -> Actor:
        return self.inside.actor

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Give address and name of every section that this person may open."""
        return [(at, self.say(name)) for at, needs, name in SECTIONS if needs & self.may]

    def path(self, name: str) -> str:
        return self.request.match_info[name]

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def say(self, message: str, **values: object) -> str:
        """Give a message of the catalogue in the visitor's language."""
        return self.words.say(message, **values)

    async def render(self, template: str, *, status: int = HTTPStatus.OK, **context: Any) -> Answer:
        """Give a page; what was to be read on the next page stands on top of it."""
        notices: tuple[str, ...] = ()
        if self.session is not None and self.session.notices:
            notices = self.session.notices
            await sessions.keep(self.tools, self.session.id, notices=[])
        shown = {"call": self, "notices": notices, "May": May, **context}
        text = self.console.rendering.render(self.language, template, shown)
        return web.Response(text=text, content_type="text/html", status=status)

    def fragment(self, template: str, **context: Any) -> str:
        """Give a piece of a page, for what updates itself."""
        shown = {"call": self, "notices": (), "May": May, **context}
        return self.console.rendering.render(self.language, template, shown)

    def redirect(self, path: str) -> Answer:
        """Send on to a page of this console, by GET."""
        return web.Response(status=303, headers={"Location": guard.local_path(path)})

    async def become(self, token: str) -> Self:
        """Give the same visit under a new session, whose cookie the answer has to carry."""
        session = await sessions.find(self.tools, token)
        csrf, may = guard.csrf_token(self.tools, token), held(session, self.tools.rulebook)
        return replace(self, session=session, csrf=csrf, may=may)

    def to(self, path: str, back: str) -> Answer:
        """Send to a page that goes on to `back`."""
        return _to(path, back)

    async def flash(self, message: str, **values: object) -> None:
        """Keep a notice until it is read on the next page."""
        await sessions.tell(self.tools, self.inside.id, self.say(message, **values))

    async def require_fresh_factor(self, back: str) -> None:
        """Use up a second factor given within minutes; else it is asked for, and then on to `back`.

        Call it last, just before the act: it serves for one.
        """
        if not await sessions.use_fresh_factor(self.tools, self.inside):
            raise NotFresh(back)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    method: str
    path: str
    run: Callable[[Visit], Awaitable[Answer]]
    needs: May
    upload_bytes: int = 0  # of files, beside the fields

    @property
    def name(self) -> str:
        return f"{self.run.__module__.rpartition('.')[2]}.{self.run.__name__}"

    @property
    def of_alert(self) -> bool:
        """Tell whether its path names an alert, which its visitor then has to see."""
        return self.path.startswith("/alerts/{id}")

    @property
    def pattern(self) -> str:
        found = self.path
        for name, shape in PARAMETERS.items():
            found = found.replace(f"{{{name}}}", f"{{{name}:{shape}}}")
        return found


def get(path: str, run: Callable[[Visit], Awaitable[Answer]], needs: May) -> Page:
    return Page(method="GET", path=path, run=run, needs=needs)


def post(
    path: str,
    run: Callable[[Visit], Awaitable[Answer]],
    needs: May,
    *,
    upload_bytes: int = 0,
) -> Page:
    return Page(method="POST", path=path, run=run, needs=needs, upload_bytes=upload_bytes)


def serve(app: web.Application, console: Console, table: Iterable[Page]) -> None:
    """Add every page of `table`, each behind what it needs."""
    for page in table:
        app.router.add_route(page.method, page.pattern, _handler(console, page))


def _handler(console: Console, page: Page) -> Callable[[web.Request], Awaitable[Answer]]:
    async def handle(request: web.Request) -> Answer:
        visit = await _enter(console, page, request)
        try:
            answer = await _run(visit)
        except web.HTTPException:
            raise
        except ConnectionResetError:  # in the midst of a stream
            answer = web.Response(status=CLIENT_LEFT)
        except Exception as error:  # noqa: BLE001 - shown as a page, logged when it is ours
            answer = await _explain(visit, error)
        return _dress(visit, answer)

    return handle


async def _enter(console: Console, page: Page, request: web.Request) -> Visit:
    """Find out who is there; what they may do is not yet said."""
    cookies = console.cookies
    token = cookies.read(request, cookies.session)
    session = await sessions.find(console.tools, token) if token else None
    cookie = token if session is not None and token is not None else None
    cookie = cookie or cookies.read(request, cookies.visitor) or guard.new_visitor()
    if session is not None:
        request[PERSON] = session.person_id
    request[VISITOR] = cookie
    wanted = (session.language or session.person_language) if session else None
    language = console.rendering.choose(
        wanted, request.cookies.get("language"), request.headers.get("Accept-Language")
    )
    return Visit(
        console=console,
        request=request,
        page=page,
        form=Form(),
        session=session,
        csrf=guard.csrf_token(console.tools, cookie),
        words=console.rendering.words(language),
        may=held(session, console.tools.rulebook),
    )


async def _run(visit: Visit) -> Answer:
    page, request, session = visit.page, visit.request, visit.session
    if not admits(session, page.needs, visit.may):
        return await _turn_away(visit)
    if page.of_alert:
        deciding = page.method == "POST" or page.needs in DECIDING
        await hold(visit.tools, visit.actor, visit.path("id"), deciding=deciding)
    if page.method == "POST":
        form = await read_form(request, upload_bytes=page.upload_bytes)
        guard.refuse_forged(request, form, visit.csrf, visit.tools.console_url)
        visit = replace(visit, form=form)
    return await page.run(visit)


async def _turn_away(visit: Visit) -> Answer:
    """Send to where the way in is, or say that this is not theirs."""
    back = visit.request.path_qs if visit.page.method == "GET" else "/"
    if visit.session is None or visit.page.needs is May.SECOND_FACTOR:
        return _to("/sign-in", back) if visit.session is None else visit.redirect("/")
    if visit.session.stage is Stage.HALF:
        return _to("/sign-in/second", back)
    if visit.session.stage is Stage.ENROLLING:
        return visit.redirect("/account/second-factor")
    raise NotAllowed("your roles do not open this page")


def _to(path: str, back: str) -> Answer:
    where = URL(path).with_query({"to": back} if back != "/" else {})
    return web.Response(status=303, headers={"Location": str(where)})


async def _explain(visit: Visit, error: Exception) -> Answer:
    """Give a page that says what is wrong and where to go from here."""
    if isinstance(error, NotFresh):
        return _to("/again", error.back)
    kind = kind_of(error)
    if kind is DEFECT:
        log.error("console.defect", error=type(error).__name__, at=places(error))
    words = explain(visit.words, error)
    moved = visit.page.of_alert and kind.status == HTTPStatus.CONFLICT
    back = f"/alerts/{visit.path('id')}" if moved else ""
    return await visit.render("error.html.j2", status=kind.status, back=back, **words)


async def explain_unknown(console: Console, request: web.Request) -> Answer:
    """Give the page that says that there is no such page."""

    async def nothing(_call: Visit) -> Answer:
        raise NotFound("there is no such page")

    return await _handler(console, get("/", nothing, May.ANYONE))(request)


def _dress(visit: Visit, answer: Answer) -> Answer:
    if answer.prepared:  # a stream, that wrote its own
        return answer
    for name, value in guard.HEADERS.items():
        answer.headers.setdefault(name, value)
    cookies = visit.console.cookies
    if visit.session is None and cookies.read(visit.request, cookies.visitor) is None:
        cookies.set(answer, cookies.visitor, visit.request[VISITOR])
    return answer
