"""An operator with something to look at."""

from __future__ import annotations

import pytest

from alertd.pipeline.expand import expand, pending
from alertd.pipeline.recipients import Recipient, add
from alertd.tools import Actor, Tools
from tests.console.conftest import Browser, SignIn
from tests.web.conftest import Activate, Submit

NEWSROOM = "alerts@news.example.org"


@pytest.fixture
async def operator(signed_in: SignIn) -> Browser:
    return await signed_in("operator")


async def enter_newsroom(tools: Tools, operator: Browser) -> None:
    actor = Actor(operator.person_id, "Example", frozenset({"operator"}))
    facts = {
        "channel": "email",
        "address": NEWSROOM,
        "language": "el",
        "regions": ["GR-I"],
        "recipient_class": "media",
        "exercise": True,
        "label": "Example newsroom",
        "consent": "Example contract 7",
        "consent_at": "2026-01-31T10:00:00+02:00",
    }
    await add(tools, actor, Recipient.model_validate(facts))


@pytest.fixture
async def alert_id(tools: Tools, operator: Browser, submit: Submit, activate: Activate) -> str:
    """Bring an exercise out that reaches the feeds and one newsroom."""
    await enter_newsroom(tools, operator)
    made = await submit()
    await activate(made)
    for dispatch in await tools.store.read(pending):
        while not (await tools.store.write(expand, dispatch, now=tools.clock())).done:
            pass
    return made
