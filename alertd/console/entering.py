"""Language and the way out: small acts of the top bar."""

from alertd.console.pages import Answer, Page, Visit, post
from alertd.console.permissions import May
from alertd.pipeline import sessions

_YEAR_S = 366 * 24 * 3600


async def choose_language(call: Visit) -> Answer:
    chosen = call.form.get("language")
    answer = call.redirect(call.form.get("to", "/"))
    if chosen in call.console.rendering.languages:
        if call.session is not None:
            await sessions.keep(call.tools, call.session.id, language=chosen)
        answer.set_cookie(
            "language", chosen, path="/", max_age=_YEAR_S, httponly=True, samesite="Lax"
        )
    return answer


async def sign_out(call: Visit) -> Answer:
    answer = call.redirect("/sign-in")
    if call.session is not None:
        await sessions.end(call.tools, call.actor, call.session.id, own=True)
        call.console.cookies.drop(answer, call.console.cookies.session)
    return answer


PAGES: tuple[Page, ...] = (
    post("/language", choose_language, May.ANYONE),
    post("/sign-out", sign_out, May.ANYONE),
)
