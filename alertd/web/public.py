"""The public listener: feeds, pages, CAP documents, own links, providers' callbacks, health."""

from aiohttp import web

from alertd.publishing.press import Press
from alertd.tools import Tools
from alertd.web.callbacks import ReportSink, add_callbacks
from alertd.web.feeds import add_feeds
from alertd.web.hardening import harden
from alertd.web.health import add_health
from alertd.web.hub import Hub, add_hub
from alertd.web.links import add_own_links
from alertd.web.peer import Networks
from alertd.web.photos import add_photos
from alertd.web.takedowns import add_acknowledgements


def make_public_app(
    tools: Tools,
    reports: ReportSink,
    press: Press,
    hub: Hub | None = None,
    *,
    proxies: Networks = (),
) -> web.Application:
    """Give the application that everyone may reach; nothing here asks who is asking."""
    app = web.Application()
    dress = harden(app, https=tools.public_url.startswith("https://"), proxies=proxies)
    add_feeds(app, press, dress)
    add_photos(app, tools)
    add_own_links(app, tools)
    add_acknowledgements(app, tools)
    add_callbacks(app, tools, reports)
    if hub is not None:
        add_hub(app, hub)
    add_health(app, tools)
    return app
