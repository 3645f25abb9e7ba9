"""People at browsers of their own, who prove themselves as the console asks them to."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pyotp
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from tests.console.journeys.install import Install

PASSWORD = "correct horse battery staple"
STEP_S = 30


@dataclass
class Phone:
    """An authenticator app. A code opens once, and the console lets clocks differ by a step."""

    secret: str = field(default="", repr=False)
    used: int = 0

    async def code(self) -> str:
        step = max(self.used + 1, int(time.time() + 2) // STEP_S - 1)
        while step > int(time.time()) // STEP_S + 1:
            await asyncio.sleep(0.5)
        self.used = step
        return pyotp.TOTP(self.secret).generate_otp(step)


@dataclass
class Person:
    """Somebody with an account: by an authenticator app, or else by a passkey."""

    name: str
    page: Page
    phone: Phone | None

    async def accept(self, invitation: str) -> None:
        """Follow an invitation: choose a password and a second factor, keep the codes."""
        page = self.page
        await page.goto(invitation)
        await page.fill("[name=password]", PASSWORD)
        await page.fill("[name=password_again]", PASSWORD)
        await page.locator("main form button").click()
        if self.phone is None:
            await page.fill("[data-passkey=create] [name=label]", "Example key")
            await page.locator("[data-passkey=create] button").click()
        else:
            self.phone.secret = (await page.locator("main ol code").inner_text()).replace(" ", "")
            await page.fill("[name=code]", await self.phone.code())
            await page.locator("form[action$='/totp'] button").click()
        await expect(page.locator("ul.codes li")).to_have_count(10)
        await page.locator("main a.primary").click()

    async def sign_in(self, to: str) -> None:
        page = self.page
        await page.goto(f"/sign-in?to={to}")
        await page.fill("[name=name]", self.name)
        await page.fill("[name=password]", PASSWORD)
        await page.locator("main form button").click()
        await page.wait_for_url("**/sign-in/second**")
        await self._prove()
        await page.wait_for_url(f"**{to}")

    async def prove_again(self) -> None:
        """Give the second factor anew, which the page in hand has to ask for."""
        await self.page.wait_for_url("**/again**")
        await self._prove()
        await self.page.wait_for_url(lambda url: urlsplit(url).path != "/again")

    async def _prove(self) -> None:
        if self.phone is None:
            await self.page.locator("[data-passkey=get] button").click()
        else:
            await self.page.fill("[name=code]", await self.phone.code())
            await self.page.locator("main form button.primary").click()

    async def read_in(self, language: str, size: tuple[int, int]) -> None:
        """Go on in another language, on a screen of another size."""
        width, height = size
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.goto("/account")
        await self.page.locator(f".languages button[value={language}]").click()
        await expect(self.page.locator("html")).to_have_attribute("lang", language)


@dataclass
class Office:
    """Everybody who works with one install."""

    install: Install
    chromium: Chromium
    people: dict[str, Person] = field(default_factory=dict)

    async def reader(self, language: str) -> Page:
        """Give the browser of somebody outside."""
        context = await self.chromium.new_context(locale=language)
        return await context.new_page()


ADMINISTRATORS = ("first", "second")
OFFICIALS = ("submitter", "police", "prosecutor", "activation", "operator")
WITH_PASSKEY = frozenset({"second", "police"})  # all others have an authenticator app


async def open_office(office: Office) -> None:
    """Let two administrators in by the command line, and everybody else by those two."""
    made = [office.install.alertd("admin", _name(who)) for who in ADMINISTRATORS]
    links, _ = await asyncio.gather(asyncio.gather(*made), office.install.daemon.start())
    invited = zip(ADMINISTRATORS, links, strict=True)
    await asyncio.gather(*(_let_in(office, who, link) for who, link in invited))
    async with asyncio.TaskGroup() as group:
        for role in OFFICIALS:
            await _ask_for(office.people["first"], role)
            link = await _agree(office.people["second"])
            group.create_task(_let_in(office, role, link))


def _name(who: str) -> str:
    return f"Example {who}"


async def _let_in(office: Office, who: str, invitation: str) -> None:
    """Give somebody a browser of their own, in which they follow their invitation."""
    context = await office.chromium.new_context(
        base_url=office.install.console, locale="en", reduced_motion="reduce"
    )
    page = await context.new_page()
    if who in WITH_PASSKEY:
        await _plug_in(page)
    person = Person(_name(who), page, None if who in WITH_PASSKEY else Phone())
    await person.accept(invitation)
    office.people[who] = person


async def _ask_for(administrator: Person, role: str) -> None:
    page = administrator.page
    await page.goto("/people/new")
    await page.fill("[name=name]", _name(role))
    await page.check(f"[name=roles][value={role}]")
    await page.get_by_role("button", name="Ask a second administrator").click()
    await expect(page.get_by_text("It is done once a second administrator agrees")).to_be_visible()


async def _agree(administrator: Person) -> str:
    """Agree to the one change that waits, with the second factor; gives the invitation."""
    page = administrator.page
    await page.goto("/again?to=/people/changes")
    await administrator.prove_again()
    await page.get_by_role("button", name="Agree and carry it out").click()
    return await page.locator("main code").inner_text()


async def _plug_in(page: Page) -> None:
    """Give a browser a key that answers by itself, as DevTools have one."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
