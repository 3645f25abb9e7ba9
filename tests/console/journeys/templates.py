"""What an official keeps of an alert for the next one, and does away with."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.console.journeys.form import Look


async def keep_and_remove(page: Page, alert: str, name: str, look: Look) -> None:
    """Save a template of an alert, begin a form with it, save that too, and remove both."""
    await page.goto(f"/alerts/{alert}")
    await page.locator("main a[href$='/template']").click()
    await look(page, "template-alert")
    await _save(page, name)
    await expect(page.locator(".toast")).to_be_visible()

    await page.goto("/submit?status=exercise")
    await page.select_option("[name=source]", label=name)
    await page.fill("[name=reference]", "EX-0000")
    await page.locator("main form button.primary").click()
    await look(page, "start-wrong")
    await page.fill("[name=reference]", "")
    await page.locator("main form button.primary").click()
    await page.wait_for_url("**/who")
    form = page.url.removesuffix("/who")
    await page.goto(f"{form}/area")
    await expect(page.locator("[name='area.regions'][value=GR-I]")).to_be_checked()
    await page.locator("button[value=template]").click()
    await _save(page, name.upper())
    await expect(page.locator("#name-error")).to_be_visible()
    await look(page, "template-taken")
    await page.goto(f"{form}/check")
    await page.locator(".discard button").click()
    await page.wait_for_url("**/submit")

    await page.locator("main a[href='/submit/templates']").click()
    await look(page, "templates")
    await page.get_by_role("link", name=name).click()
    await look(page, "template")
    await page.locator("form[action$='/remove'] button").click()
    await expect(page.locator("main")).not_to_contain_text(name)


async def _save(page: Page, name: str) -> None:
    await page.fill("[name=name]", name)
    await page.locator("main form button.primary").click()
