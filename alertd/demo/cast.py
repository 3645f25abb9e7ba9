"""The demo's officials: entered with tokens, and then each doing their part over HTTP."""

import csv
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from rich.console import Console

from alertd.client import Api
from alertd.core.errors import InvalidAlert
from alertd.demo import sample
from alertd.demo.sample import APPROVERS, SUBMITTER, Official
from alertd.pipeline import persons, recipients
from alertd.pipeline.persons import NewPerson
from alertd.tools import CONSOLE, Tools

Tokens = Mapping[str, str]


async def enter(tools: Tools) -> Tokens:
    """Enter every official and give their tokens by role."""
    return {official.role: await _enter(tools, official) for official in (SUBMITTER, *APPROVERS)}


async def _enter(tools: Tools, official: Official) -> str:
    person = NewPerson(
        name=official.name,
        language="en",
        roles={official.role: False},
        addresses=[("sms", official.sms), ("email", official.email)],
    )
    person_id = await persons.create(tools, CONSOLE, person)
    minted = await persons.mint(tools, CONSOLE, person_id, label="demo", lifetime=timedelta(days=1))
    return minted.token


async def import_recipients(tools: Tools, webhook_url: str) -> tuple[int, dict[str, str]]:
    """Import the sample's recipients from a file; gives their number and webhooks' secrets."""
    text = sample.recipients_csv(webhook_url, tools.clock())
    lines = text.splitlines(keepends=True)
    imported = await recipients.import_rows(tools, CONSOLE, lines)
    if imported.refused:
        raise InvalidAlert([p for refused in imported.refused for p in refused.problems])
    column = sample.COLUMNS.index("address")
    rows = list(csv.reader(lines))
    return imported.added, {
        urlsplit(rows[number - 1][column]).path: secret
        for number, secret in imported.secrets.items()
    }


@asynccontextmanager
async def on_stage(url: str, tokens: Tokens) -> AsyncIterator[dict[str, Api]]:
    """Give every official's client by role."""
    async with AsyncExitStack() as stack:
        yield {
            role: await stack.enter_async_context(Api(url, token)) for role, token in tokens.items()
        }


async def submit(clients: Mapping[str, Api], console: Console) -> str:
    """Submit the sample alert and give its id."""
    facts = sample.alert(datetime.now(UTC))
    done = await clients[SUBMITTER.role].post(
        "/alerts", facts, headers={"Idempotency-Key": facts["case_reference"]}
    )
    console.print(f"{SUBMITTER.name} submits {facts['case_reference']}: alert {done['id']}")
    return str(done["id"])


async def approve(clients: Mapping[str, Api], alert: str, console: Console) -> None:
    """Let every approver read the digest and approve it."""
    for official in APPROVERS:
        api = clients[official.role]
        texts = await api.get(f"/alerts/{alert}/renditions")
        last = ", the last one" if texts["your_approval_would_activate"] else ""
        await api.post(
            f"/alerts/{alert}/approvals",
            {
                "role": official.role,
                "digest": texts["digest"],
                "reference": official.reference,
            },
        )
        console.print(
            f"{official.name} approves {texts['digest'][:16]}… as {official.role}"
            f" ({official.reference}{last})"
        )
