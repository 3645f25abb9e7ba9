"""The living style page: every component as it is, with sample data of nobody."""

from datetime import timedelta

from alertd.console.pages import Answer, Visit, get
from alertd.console.permissions import May


async def show(call: Visit) -> Answer:
    now = call.tools.clock()
    return await call.render(
        "style.html.j2",
        now=now,
        earlier=now - timedelta(minutes=47, seconds=12),
        mode=call.query("mode") if call.query("mode") in {"actual", "exercise"} else "",
        width="wide",
    )


PAGES = (get("/style", show, May.STYLE),)
