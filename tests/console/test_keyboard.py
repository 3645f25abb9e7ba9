"""The keyboard alone does what officials, operators and administrators come for.

Wherever it goes its focus is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyotp
from playwright.async_api import Page, expect
from sqlalchemy import update

from alertd.core.delivery import State
from alertd.store.schema.accounts import credentials as accounts
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.console.conftest import Browser, Cases, Desk, SignIn
from tests.console.operators.conftest import alert_id, operator
from tests.console.test_people import two
from tests.web.conftest import Deliver, picture

__all__ = ["alert_id", "operator"]  # fixtures
FARTHEST = 60  # presses from one thing to the next

_LOOK = """what => {
  const at = document.activeElement;
  const ring = getComputedStyle(at.closest(".camera") ?? at);
  const box = at.getBoundingClientRect();
  const shown = box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight;
  const ringed = ring.outlineStyle === "solid" && parseFloat(ring.outlineWidth) >= 3;
  const nowhere = at === document.body;
  return {there: at.matches(what), seen: nowhere || (shown && ringed), at: at.outerHTML};
}"""


@dataclass
class Keyboard:
    """A page, and nothing but keys."""

    page: Page

    async def reach(self, what: str, key: str = "Tab") -> None:
        """Press `key` until the focus is at `what`; on the way it is never lost from sight."""
        for _ in range(FARTHEST):
            await self.page.keyboard.press(key)
            found = await self.page.evaluate(_LOOK, what)
            assert found["seen"], found["at"]
            if found["there"]:
                return
        raise AssertionError(f"the keyboard does not get to {what}")

    async def press(self, what: str, key: str = "Enter") -> None:
        await self.reach(what)
        await self.page.keyboard.press(key)

    async def follow(self, what: str) -> None:
        """Press what leads to another page."""
        await self.reach(what)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")

    async def type(self, field: str, text: str) -> None:
        await self.reach(f"[name='{field}']")
        await self.page.keyboard.type(text)


@dataclass
class Prover:
    """Gives codes as an authenticator app would, each once."""

    secret: str
    clock: FakeClock

    async def prove(self, keys: Keyboard) -> None:
        self.clock.tick(minutes=1)
        await expect(keys.page.locator("[name=code]")).to_be_focused()
        await keys.page.keyboard.type(pyotp.TOTP(self.secret).at(self.clock()))
        async with keys.page.expect_navigation():
            await keys.page.keyboard.press("Enter")


async def give_app(tools: Tools, clock: FakeClock, person: Browser) -> Prover:
    secret = pyotp.random_base32()
    sealed = tools.vault.master.seal(secret.encode())
    mine = accounts.c.person_id == person.person_id
    await tools.store.write(
        lambda conn: conn.execute(update(accounts).where(mine).values(totp_secret=sealed))
    )
    return Prover(secret, clock)


async def test_the_menu_is_skipped_or_taken(desk: Desk, signed_in: SignIn) -> None:
    page = await desk.open(person=await signed_in("reader"))
    keys = Keyboard(page)
    await page.goto("/")
    await keys.press(".skip")
    await expect(page.locator("main")).to_be_focused()
    await page.goto("/")
    await keys.follow("nav a[href='/alerts']")
    await expect(page.get_by_role("heading", name="Alerts")).to_be_visible()
    await keys.follow(".languages button[value=el]")
    await expect(page.locator("html")).to_have_attribute("lang", "el")


async def test_a_form_is_filled_with_photo_and_map(
    desk: Desk, signed_in: SignIn, tmp_path: Path
) -> None:
    photo = tmp_path / "example.jpg"
    photo.write_bytes(picture())
    page = await desk.open(person=await signed_in("submitter"))
    keys = Keyboard(page)
    await page.goto("/submit?status=exercise")
    await keys.follow("main form button.primary")
    await keys.type("children.0.name", "Example Child")
    await keys.press("[data-unknown=children-0-hair]")
    await expect(page.locator("[name='children.0.hair']")).to_have_value("unknown")
    # Asked for before the way there: a key does not wait until the browser takes choosers over.
    async with page.expect_file_chooser() as chooser:
        await keys.reach("[name='upload.0']", "Shift+Tab")
        await page.keyboard.press("Enter")
    await (await chooser.value).set_files(photo)
    await keys.follow("button[value=next]")
    await page.goto(page.url.replace("/seen", "/area"))
    await keys.reach("#area-regions-search")
    await page.keyboard.type("crete")
    await keys.press("[name='area.regions'][value=GR-M]", "Space")
    await keys.press("[data-shapes] summary")
    await keys.type("area.circle.centre", "37.98, 23.73")
    await keys.type("area.circle.radius_km", "5")
    await keys.follow("button[value=propose]")
    for code in ("GR-I", "GR-M"):
        await expect(page.locator(f"[name='area.regions'][value={code}]")).to_be_checked()


async def test_an_actual_alert_is_approved_and_another_ended(
    desk: Desk, tools: Tools, clock: FakeClock, signed_in: SignIn, cases: Cases
) -> None:
    police = await signed_in("police")
    prover = await give_app(tools, clock, police)
    page = await desk.open(person=police)
    keys = Keyboard(page)
    await page.goto("/")
    await keys.follow("a[href$='/approve']")
    await prover.prove(keys)
    await keys.type("typed", "EX-2026-0001")
    await keys.follow(".confirm button.primary")
    await expect(page.locator(".toast")).to_be_visible()
    await page.goto(f"/alerts/{cases.live}/live")
    await keys.follow(".acts a.primary")
    await prover.prove(keys)
    await keys.follow("a[href$='reason=found']")
    await keys.type("why", "Fictional.")
    await keys.follow(".confirm button.primary")
    await expect(page.locator(".state-word")).to_have_text("Ended")


async def test_a_failed_message_is_sent_again(
    desk: Desk, operator: Browser, alert_id: str, deliver: Deliver
) -> None:
    await deliver("email", State.DEAD)
    page = await desk.open(person=operator)
    keys = Keyboard(page)
    await page.goto(f"/dead-letters?alert={alert_id}")
    await keys.press("[name=chosen]", "Space")
    await keys.follow("form[action$=preview] button.primary")
    await keys.follow(".confirm button.primary")
    await expect(page.get_by_text("Queued again: 1 of 1.")).to_be_visible()


async def test_a_person_is_entered_by_two(
    desk: Desk, tools: Tools, clock: FakeClock, signed_in: SignIn
) -> None:
    first, second = await two(signed_in, tools)
    prover = await give_app(tools, clock, second)
    page = await desk.open(person=first)
    keys = Keyboard(page)
    await page.goto("/people")
    await keys.follow("a[href='/people/new']")
    await keys.type("name", "Example Newcomer")
    await keys.press("[name=roles][value=submitter]", "Space")
    await keys.follow("main form button.primary")
    await expect(page.locator(".toast")).to_be_visible()
    page = await desk.open(person=second)
    keys = Keyboard(page)
    await page.goto("/people/changes")
    await keys.follow("button[value=agree]")
    await prover.prove(keys)
    await keys.follow("button[value=agree]")
    await expect(page.get_by_text("not shown again")).to_be_visible()
