"""Photos in the form and beside an alert; in a frame they come along with the page."""

import asyncio
import base64
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from alertd.console.forms import Form
from alertd.console.pages import Answer, Page, Visit, get
from alertd.console.permissions import May
from alertd.core.alert import ChildAlert
from alertd.core.errors import Gone, InvalidAlert, NotFound, Problem
from alertd.core.photo import LINKED, SIZES
from alertd.pictures import Part, crop
from alertd.pipeline import formdrafts, photos
from alertd.tools import Actor, Tools

JPEG = "image/jpeg"
ASK_PART = "give the part to keep in per cent, from 0 to 100"
Said = dict[str, tuple[str, ...]]


async def take_uploads(tools: Tools, actor: Actor, sent: Form, form: Said) -> list[Problem]:
    """Put the pictures that came with a page into the form; gives what is wrong with any."""
    problems = []
    for name in sent.files:
        _, _, number = name.partition("upload.")
        upload = sent.file(name)
        if upload is None or not number.isdigit():
            continue
        field = f"children.{number}.photo"
        try:
            taken = await photos.upload(tools, actor, upload.data)
        except InvalidAlert as error:
            problems += [Problem(field, each.message) for each in error.problems]
        else:
            form[field] = (taken.digest,)
    return problems


async def crop_photo(visit: Visit, number: str, form: Said) -> list[Problem]:
    """Put a part of a child's photo in its place; gives what is wrong with that."""
    field = f"children.{number}.photo"
    digest = form.get(field, ("",))[0]
    part = _part(visit.form, number)
    if part is None or not digest:
        return [Problem(field, ASK_PART)]
    draft = await formdrafts.read(visit.tools, visit.actor, visit.path("id"))
    picture = await _read(visit.tools, draft.alert_id, digest, SIZES[0])
    if picture is None:
        raise Gone("this photo is no longer here")
    try:
        cropped = await asyncio.to_thread(crop, picture, part)
        taken = await photos.upload(visit.tools, visit.actor, cropped)
    except InvalidAlert as error:
        return [Problem(field, each.message) for each in error.problems]
    form[field] = (taken.digest,)
    return []


def _part(sent: Form, number: str) -> Part | None:
    """Read the part of a picture that the form's four numbers, in per cent, name."""
    try:
        left, top, width, height = (
            float(sent.get(f"crop.{number}.{side}").replace(",", ".")) / 100
            for side in ("left", "top", "width", "height")
        )
    except ValueError:
        return None
    inside = 0 <= left <= 1 and 0 <= top <= 1 and 0 < width <= 1 and 0 < height <= 1
    return Part(left=left, top=top, width=width, height=height) if inside else None


async def show_of_form(visit: Visit) -> Answer:
    draft = await formdrafts.read(visit.tools, visit.actor, visit.path("id"))
    digest = visit.path("code")
    named = [v for name, values in draft.form.items() if name.endswith(".photo") for v in values]
    if digest not in named:
        raise NotFound("this form has no such photo")
    return await _picture(visit.tools, draft.alert_id, digest)


async def show_of_alert(visit: Visit) -> Answer:
    return await _picture(visit.tools, visit.path("id"), visit.path("code"))


async def _picture(tools: Tools, alert_id: str | None, digest: str) -> Answer:
    body = await _read(tools, alert_id, digest)
    if body is None:
        return web.Response(status=HTTPStatus.GONE)
    return web.Response(body=body, content_type=JPEG)


async def with_pictures(tools: Tools, alert_id: str | None, alert: ChildAlert, html: str) -> str:
    """Give what is shown in a frame, its photos inside: the frame may fetch nothing."""
    for url, data in (await _inlined(tools, alert_id, alert)).items():
        html = html.replace(url, data)
    return html


async def _inlined(tools: Tools, alert_id: str | None, alert: ChildAlert) -> Mapping[str, str]:
    found = {}
    for photo in await photos.find(tools, alert_id, photos.digests(alert)):
        if body := await _read(tools, alert_id, photo.digest):
            data = f"data:{JPEG};base64,{base64.b64encode(body).decode()}"
            found[photo.url(tools.public_url)] = data
    return found


async def _read(
    tools: Tools, alert_id: str | None, digest: str, size: int = LINKED
) -> bytes | None:
    shown = await tools.store.read(photos.read_either, alert_id, digest, size)
    return await photos.open_shown(tools, shown)


PAGES: tuple[Page, ...] = (
    get("/submit/{id}/photo/{code}", show_of_form, May.SUBMIT),
    get("/alerts/{id}/photo/{code}", show_of_alert, May.READ_RECORD),
)
