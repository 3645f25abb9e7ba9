"""A photo's way: uploaded, approved with the alert, public while it lives, then gone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient
from PIL import Image
from sqlalchemy import Connection, func, select

from alertd.core.retention import Ground
from alertd.pipeline.photos import UNUSED, forget_unused
from alertd.pipeline.purge import purge
from alertd.store.schema import dispatches, photo_sizes, photos, retired_keys
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.factories import child_facts

from .conftest import PUBLIC_URL, Activate, Deliver, Person, Submit, both_databases, picture


async def upload(person: Person, colour: str = "red") -> str:
    answer = await person.post(
        "/api/v1/photos", data=picture(colour), headers={"Content-Type": "image/jpeg"}
    )
    said = await answer.json()
    assert answer.status == 201, said
    assert (said["width"], said["height"]) == (1000, 500)
    return str(said["digest"])


@pytest.fixture
async def digest(people: dict[str, Person]) -> str:
    return await upload(people["submitter"])


@pytest.fixture
async def alert_id(submit: Submit, activate: Activate, deliver: Deliver, digest: str) -> str:
    """A live alert with a photo."""
    submitted = await submit(children=[child_facts(photo=digest)])
    await activate(submitted)
    await deliver()
    return submitted


async def address(people: dict[str, Person], alert_id: str) -> str:
    """Give the path at which the alert's messages say that the photo is."""
    answer = await people["submitter"].get(f"/api/v1/alerts/{alert_id}/renditions")
    texts = [r["text"] for r in (await answer.json())["renditions"] if r["channel"] == "webhook"]
    start = texts[0].index(f"{PUBLIC_URL}/p/")
    return texts[0][start : texts[0].index('"', start)].removeprefix(PUBLIC_URL)


async def test_live_photo_is_public_for_a_minute_at_a_time(
    people: dict[str, Person], public: TestClient[Any, Any], alert_id: str
) -> None:
    answer = await public.get(await address(people, alert_id))
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(BytesIO(await answer.read())).size == (800, 400)


async def test_every_public_surface_links_it_and_cap_carries_its_digest(
    people: dict[str, Person], public: TestClient[Any, Any], alert_id: str
) -> None:
    path = await address(people, alert_id)
    body = await (await public.get(path)).read()
    answer = await people["submitter"].get(f"/api/v1/alerts/{alert_id}/renditions")
    shown = [r for r in (await answer.json())["renditions"] if r["kind"] == "alert"]
    linking = {(r["channel"], r["form"]) for r in shown if path in r["text"]}
    assert {("webhook", "message"), ("feed", "cap"), ("feed", "page")} <= linking
    cap = next(r["text"] for r in shown if r["form"] == "cap")
    assert f"<size>{len(body)}</size>" in cap
    assert hashlib.sha1(body, usedforsecurity=False).hexdigest() in cap
    assert not any(path in r["text"] for r in shown if r["channel"] == "sms")


@both_databases
async def test_photo_is_gone_after_the_end_and_back_when_the_end_was_wrong(
    people: dict[str, Person],
    public: TestClient[Any, Any],
    alert_id: str,
    facts: Callable[..., dict[str, Any]],
    digest: str,
    activate: Activate,
) -> None:
    path = await address(people, alert_id)
    await end(people["police"], alert_id)
    answer = await public.get(path)
    assert answer.status == 410
    assert answer.headers["Cache-Control"] == "no-store"
    again = facts(children=[child_facts(photo=digest)])
    update = await people["submitter"].post(f"/api/v1/alerts/{alert_id}/updates", again)
    assert update.status == 201, await update.json()
    assert (await public.get(path)).status == 410
    await activate(alert_id)
    assert (await public.get(path)).status == 200


async def end(person: Person, alert_id: str) -> None:
    form = {"reason_code": "found", "why": "Fictional reason.", "confirm": True}
    answer = await person.post(f"/api/v1/alerts/{alert_id}/end", form)
    assert answer.status == 200, await answer.json()


async def test_expired_photo_is_gone_at_once(
    people: dict[str, Person], public: TestClient[Any, Any], alert_id: str, clock: FakeClock
) -> None:
    path = await address(people, alert_id)
    clock.tick(hours=13)
    assert (await public.get(path)).status == 410


async def test_photo_is_not_public_before_the_last_approval(
    people: dict[str, Person], public: TestClient[Any, Any], submit: Submit, digest: str
) -> None:
    submitted = await submit(children=[child_facts(photo=digest)])
    assert (await public.get(await address(people, submitted))).status == 404
    own = f"/api/v1/alerts/{submitted}/photos/{digest}"
    assert (await people["police"].get(own)).status == 200
    assert (await people["operator"].get(own)).status == 403


async def test_changed_photo_voids_approvals_and_replaces_the_old_one(
    people: dict[str, Person],
    submit: Submit,
    facts: Callable[..., dict[str, Any]],
    digest: str,
) -> None:
    submitted = await submit(children=[child_facts(photo=digest)])
    before = await (await people["police"].get(f"/api/v1/alerts/{submitted}/renditions")).json()
    vote = {"role": "police", "digest": before["digest"]}
    given = await people["police"].post(f"/api/v1/alerts/{submitted}/approvals", vote)
    assert given.status == 201
    other = await upload(people["submitter"], "blue")
    etag = (await people["submitter"].get(f"/api/v1/alerts/{submitted}")).headers["ETag"]
    edited = await people["submitter"].ask(
        "PUT",
        f"/api/v1/alerts/{submitted}",
        json=facts(children=[child_facts(photo=other)]),
        headers={"If-Match": etag},
    )
    assert edited.status == 200, await edited.json()
    after = await (await people["police"].get(f"/api/v1/alerts/{submitted}/renditions")).json()
    assert after["digest"] != before["digest"]
    assert "police" in after["missing"]


async def test_revoked_photo_is_gone_while_the_alert_lives(
    people: dict[str, Person], public: TestClient[Any, Any], alert_id: str, digest: str
) -> None:
    path, own = await address(people, alert_id), f"/api/v1/alerts/{alert_id}/photos/{digest}"
    assert (await people["submitter"].ask("DELETE", own)).status == 403
    assert (await people["police"].ask("DELETE", own)).status == 204
    assert (await public.get(path)).status == 410


async def test_unknown_photo_is_refused_by_name(
    people: dict[str, Person], facts: Callable[..., dict[str, Any]]
) -> None:
    wrong = facts(children=[child_facts(photo="0" * 64)])
    answer = await people["submitter"].post("/api/v1/alerts", wrong)
    said = await answer.json()
    assert (answer.status, said["errors"][0]["field"]) == (422, "children.0.photo")


async def test_photo_of_one_alert_is_not_another_ones(
    people: dict[str, Person], facts: Callable[..., dict[str, Any]], alert_id: str, digest: str
) -> None:
    child = child_facts(name="Άλλη Παραδειγματίδου", photo=digest)
    second = facts(case_reference="EX-2", children=[child], vehicle=None)
    answer = await people["submitter"].post("/api/v1/alerts", second)
    assert answer.status == 422


async def test_form_with_one_file_is_read_like_the_file_itself(
    people: dict[str, Person], digest: str
) -> None:
    form = FormData()
    form.add_field("photo", picture(), filename="Example name.jpg", content_type="image/jpeg")
    answer = await people["submitter"].post("/api/v1/photos", data=form)
    assert (answer.status, (await answer.json())["digest"]) == (201, digest)


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        ("image/jpeg", b"%PDF-1.7", 422),
        ("image/jpeg", picture()[:2000], 422),
        ("image/svg+xml", b"<svg/>", 415),
        ("multipart/form-data", b"nonsense", 400),
    ],
)
async def test_what_is_no_photo_is_refused(
    people: dict[str, Person], media_type: str, body: bytes, status: int
) -> None:
    headers = {"Content-Type": media_type}
    answer = await people["submitter"].post("/api/v1/photos", data=body, headers=headers)
    assert answer.status == status, await answer.text()


async def test_upload_that_no_alert_takes_is_forgotten_with_its_key(
    tools: Tools, clock: FakeClock, digest: str
) -> None:
    keys = await tools.vault.ids()
    clock.tick(seconds=UNUSED.total_seconds() + 1)
    await forget_unused(tools)
    assert await tools.store.read(_left) == (0, [""], 0)
    assert len(keys - await tools.vault.ids()) == 1


@both_databases
async def test_purge_forgets_the_photo_with_its_key(
    tools: Tools, people: dict[str, Person], alert_id: str, deliver: Deliver
) -> None:
    await end(people["police"], alert_id)
    for channel in ("feed", "sms", "email"):
        await deliver(channel)
    await tools.store.write(_close_expansions)
    before = await tools.vault.ids()
    await purge(tools, alert_id, by="person:1", ground=Ground.REQUEST)
    assert await tools.store.read(_left) == (0, [""], 0)
    assert len(before - await tools.vault.ids()) == 2


def _left(conn: Connection) -> tuple[int, list[str], int]:
    sizes = conn.scalar(select(func.count()).select_from(photo_sizes)) or 0
    retired = conn.scalar(select(func.count()).select_from(retired_keys)) or 0
    return sizes, list(conn.scalars(select(photos.c.digest))), retired


def _close_expansions(conn: Connection) -> None:
    conn.execute(dispatches.update().values(expanded_at=dispatches.c.sent_at))
