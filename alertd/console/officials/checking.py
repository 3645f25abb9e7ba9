"""The last step: what goes out, to whom, until when; and sending it for approval."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from alertd.console.officials.fields import Step
from alertd.console.officials.framing import frame_answer
from alertd.console.officials.pictures import with_pictures
from alertd.console.officials.previews import (
    Body,
    Moment,
    channels_of,
    framed,
    is_shown,
    previews,
    tabs_of,
)
from alertd.console.officials.record import open_bodies
from alertd.console.officials.sheet import Sheet, intent_of, open_sheet
from alertd.console.officials.showing import area, show, summaries
from alertd.console.officials.submission import wording_of
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.core.alert import ChildAlert
from alertd.core.errors import Conflict, InvalidAlert, NotFound
from alertd.core.rendition import Kind, Rendition
from alertd.core.ruleset import RuleSet
from alertd.pipeline import contents, edit, formdrafts, photos, submit, update
from alertd.pipeline.audience import COUNTING_S, audience_soon
from alertd.pipeline.forecast import Sending, foresee
from alertd.pipeline.formdrafts import Purpose
from alertd.pipeline.render import Subject
from alertd.pipeline.submit import Submitted
from alertd.pipeline.versions import Version, key_of, last_sent, latest, open_facts
from alertd.shapes import Forecast
from alertd.tools import Tools
from alertd.vault import Key

_UNNAMED = "0" * 20  # stands for the id of an alert that has none yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would go out beside what it follows, and to whom: None while that is counted.

    Of what would go out there is what one tab shows, `tabs` names them all.
    """

    tabs: Sequence[str]
    bodies: Sequence[Body]
    before: Sequence[Body]
    reach: Forecast | None

    @property
    def people(self) -> int | None:
        return sum(each.addresses for each in self.reach.channels) if self.reach else None


async def show_check(visit: Visit) -> Answer:
    sheet = await open_sheet(visit.tools, visit.actor, visit.path("id"), visit.language)
    return await _page(visit, sheet)


async def _page(
    visit: Visit, sheet: Sheet, *, refused: str = "", other: str | None = None
) -> Answer:
    tab = visit.query("tab", "sms")
    outlook = await look(visit.tools, sheet, tab) if sheet.reading.valid else None
    moment = moment_of(visit.tools, sheet)
    return await show(
        visit,
        "step_check.html.j2",
        sheet=sheet,
        step=Step.CHECK,
        mode="exercise" if sheet.exercise else "actual",
        width="wide",
        errors=sheet.remedies,
        stale=False,
        rows=sheet.notice(wording_of(visit, sheet), visit.tools),
        notice_language=wording_of(visit, sheet).catalogue.language,
        summaries=summaries(visit, sheet),
        area=area(visit, sheet),
        outlook=outlook,
        previews=previews(outlook.bodies, moment, outlook.before) if outlook else [],
        tabs=outlook.tabs if outlook else [],
        tab=tab,
        shown=visit.query("language", sheet.rules.languages[0]),
        refused=refused,
        other=other,
    )


async def mark_unknown(visit: Visit) -> Answer:
    """Call unknown whatever nobody has spoken of."""
    sheet = await open_sheet(visit.tools, visit.actor, visit.path("id"), visit.language)
    await formdrafts.save(
        visit.tools, visit.actor, sheet.draft.id, sheet.silenced(), revision=sheet.draft.revision
    )
    return visit.redirect(f"/submit/{sheet.draft.id}/check")


async def send(visit: Visit) -> Answer:
    """Send the form for approval; it is gone once the alert is taken in."""
    sheet = await open_sheet(visit.tools, visit.actor, visit.path("id"), visit.language)
    if why := visit.form.get("not_a_duplicate_because"):
        said = dict(sheet.form) | {"not_a_duplicate_because": (why,)}
        revision = sheet.draft.revision
        await formdrafts.save(visit.tools, visit.actor, sheet.draft.id, said, revision=revision)
        sheet = await open_sheet(visit.tools, visit.actor, sheet.draft.id, visit.language)
    if not sheet.reading.valid:
        return await _page(visit, sheet)
    try:
        done = await _submit(visit, sheet)
    except InvalidAlert as error:
        reading = replace(sheet.reading, problems=error.problems)
        return await _page(visit, replace(sheet, reading=reading))
    except Conflict as error:
        if error.other is None:
            raise
        return await _page(visit, sheet, refused=str(error), other=error.other)
    await formdrafts.discard(visit.tools, visit.actor, sheet.draft.id)
    await visit.flash("Sent for approval. Those who decide are being asked now.")
    return visit.redirect(f"/alerts/{done.alert_id}")


async def _submit(visit: Visit, sheet: Sheet) -> Submitted:
    tools, actor, draft = visit.tools, visit.actor, sheet.draft
    alert = sheet.reading.alert
    if draft.alert_id is None:
        return await submit.submit(tools, actor, alert, idempotency_key=f"form {draft.id}")
    if draft.purpose is Purpose.UPDATE:
        return await update.update(tools, actor, draft.alert_id, alert)
    seen = draft.alert_revision or 0
    done = await edit.edit(tools, actor, draft.alert_id, alert, revision=seen)
    if done.state == "submitted":
        return done
    return await edit.submit_draft(tools, actor, draft.alert_id, revision=done.revision)


async def show_frame(visit: Visit) -> Answer:
    """Give a page or a mail as it would be sent, alone in a frame."""
    sheet = await open_sheet(visit.tools, visit.actor, visit.path("id"), visit.language)
    if not sheet.reading.valid:
        raise NotFound("the form is not complete")
    name = visit.path("name")
    bodies, before = await _bodies(visit.tools, sheet, {name.partition(".")[0]})
    body = next((b for b in bodies if b.frame == name), None)
    if body is None:
        raise NotFound("there is no such preview")
    shown = await asyncio.to_thread(framed, body, moment_of(visit.tools, sheet), before)
    html = await with_pictures(visit.tools, sheet.draft.alert_id, sheet.reading.alert, shown)
    return frame_answer(html)


async def await_count(visit: Visit) -> Answer:
    """Tell whether those whom the form is for are counted: once they are, or in a while."""
    sheet = await open_sheet(visit.tools, visit.actor, visit.path("id"), visit.language)
    counted = await audience_soon(visit.tools, intent_of(visit.tools, sheet), within=COUNTING_S)
    return web.json_response({"counted": counted is not None})


async def look(tools: Tools, sheet: Sheet, tab: str) -> Outlook:
    """Render what a tab shows of the form, beside the version it follows, and count readers.

    Text messages are rendered in any case: in how many parts each goes is what it costs.
    """
    channels = sheet.channels(tools)
    tabs = tabs_of(channels)
    seen = channels_of(tab if tab in tabs else tabs[0], channels)
    bodies, before = await _bodies(tools, sheet, {"sms", *seen})
    texts = [body for body in bodies if body.channel == "sms"]
    parts = {each.language: each.parts for each in previews(texts, moment_of(tools, sheet))}
    intent = intent_of(tools, sheet, channels)
    counted = await audience_soon(tools, intent)
    reach = foresee(tools, Sending(intent, parts), counted) if counted else None
    return Outlook(tabs=tabs, bodies=bodies, before=before, reach=reach)


async def _bodies(
    tools: Tools, sheet: Sheet, channels: Collection[str]
) -> tuple[Sequence[Body], Sequence[Body]]:
    """Give what the form makes by these channels, and what the version that it follows says."""
    alert, rules, alert_id = sheet.reading.alert, sheet.rules, sheet.draft.alert_id
    if alert_id is None:
        first = _new(tools, alert, rules)
        shown = replace(first, photos=await photos.of_alert(tools, None, alert))
        return await _rendered(tools, shown, channels), ()
    newest = await tools.store.read(latest, alert_id)
    key: Key = await key_of(tools, newest)
    before: Version | None = newest
    if sheet.draft.purpose is Purpose.UPDATE:
        before = await tools.store.read(last_sent, alert_id)
        newest = replace(newest, number=newest.number + 1, kind=Kind.UPDATE)
    now = await contents.subject_of(tools, key, newest, alert, rules=rules)
    said = await _said_before(tools, key, before, channels) if before else ()
    return await _rendered(tools, now, channels), said


async def _said_before(
    tools: Tools, key: Key, before: Version, channels: Collection[str]
) -> Sequence[Body]:
    """Give the bytes that were approved, or are to be; of a draft what it would be."""
    if before.digest is not None:
        return await open_bodies(tools, before, before.kind)
    subject = await contents.subject_of(tools, key, before, open_facts(key, before))
    return await _rendered(tools, subject, channels)


def _new(tools: Tools, alert: ChildAlert, rules: RuleSet) -> Subject:
    return Subject(
        alert_id=_UNNAMED,
        identifier=contents.identifier(tools.install, _UNNAMED, 1),
        number=1,
        kind=Kind.ALERT,
        alert=alert,
        rules=rules,
    )


async def _rendered(tools: Tools, subject: Subject, channels: Collection[str]) -> list[Body]:
    shown = [each for each in subject.messages if is_shown(*each)]
    rendered = await asyncio.to_thread(tools.renderer.version, subject, shown, channels)
    return [body_of(each) for each in rendered]


def body_of(rendition: Rendition) -> Body:
    return Body(
        channel=rendition.channel,
        language=rendition.language,
        form=rendition.form,
        media_type=rendition.media_type,
        data=rendition.body,
    )


def moment_of(tools: Tools, sheet: Sheet) -> Moment:
    return Moment(
        at=tools.clock(), zone=sheet.rules.authority_timezone, public_url=tools.public_url
    )


PAGES: tuple[Page, ...] = (
    get("/submit/{id}/check", show_check, May.SUBMIT),
    post("/submit/{id}/check/unknown", mark_unknown, May.SUBMIT),
    post("/submit/{id}/check/send", send, May.SUBMIT),
    get("/submit/{id}/check/counted", await_count, May.SUBMIT),
    get("/submit/{id}/frames/{name}", show_frame, May.SUBMIT),
)
