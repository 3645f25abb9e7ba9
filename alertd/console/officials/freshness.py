"""Asks for the second factor before a page whose button needs it: so nothing typed is lost."""

from datetime import timedelta
from urllib.parse import quote

from alertd.console.pages import Answer, Visit
from alertd.pipeline.sessions import FRESH

LEFT = timedelta(minutes=1)  # to read the page by, at the least


def is_fresh(visit: Visit) -> bool:
    at = visit.inside.fresh_at
    return at is not None and visit.tools.clock() < at + FRESH - LEFT


def again(visit: Visit) -> Answer:
    return visit.redirect(f"/again?to={quote(visit.request.path_qs)}")
