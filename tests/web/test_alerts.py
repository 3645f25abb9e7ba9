"""An alert's life over HTTP, from the draft to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.web.conftest import Activate, Person, Submit, both_databases
from tests.web.test_problems import named, problem

People = dict[str, Person]
Facts = Callable[..., dict[str, Any]]


async def show(people: People, alert_id: str, name: str = "submitter") -> dict[str, Any]:
    answer = await people[name].get(f"/api/v1/alerts/{alert_id}")
    assert answer.status == 200
    shown: dict[str, Any] = await answer.json()
    return shown


async def test_a_submitted_alert_says_where_it_is(people: People, facts: Facts) -> None:
    answer = await people["submitter"].post("/api/v1/alerts", facts())
    said = await answer.json()
    assert answer.status == 201
    assert said["state"] == "submitted"
    assert answer.headers["Location"] == f"/api/v1/alerts/{said['id']}"
    found = await people["reader"].get(answer.headers["Location"])
    assert (await found.json())["state"] == "submitted"


async def test_a_draft_waits_to_be_submitted(people: People, facts: Facts) -> None:
    answer = await people["submitter"].post("/api/v1/alerts?draft=true", facts())
    said = await answer.json()
    assert (answer.status, said["state"]) == (201, "draft")
    submitted = await people["submitter"].post(f"/api/v1/alerts/{said['id']}/submission")
    assert (await submitted.json())["state"] == "submitted"


@both_databases
async def test_the_same_key_and_body_make_one_alert(people: People, facts: Facts) -> None:
    headers = {"Idempotency-Key": "example-1"}
    body = facts()
    answers = [
        await people["submitter"].post("/api/v1/alerts", body, headers=headers) for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [201, 201]
    first, second = [await answer.json() for answer in answers]
    assert first == second
    listed = await (await people["submitter"].get("/api/v1/alerts")).json()
    assert len(listed["items"]) == 1


async def test_a_key_used_for_another_body_is_a_conflict(people: People, facts: Facts) -> None:
    headers = {"Idempotency-Key": "example-1"}
    await people["submitter"].post("/api/v1/alerts", facts(), headers=headers)
    other = facts(case_reference="EX-2026-0002")
    answer = await people["submitter"].post("/api/v1/alerts", other, headers=headers)
    assert (await problem(answer, 409))["other"]


@pytest.mark.parametrize("key", ["", "x" * 201, "two words"])
async def test_an_unfit_idempotency_key_is_refused(people: People, facts: Facts, key: str) -> None:
    answer = await people["submitter"].post(
        "/api/v1/alerts", facts(), headers={"Idempotency-Key": key}
    )
    assert named(await problem(answer, 422)) == {"Idempotency-Key"}


async def test_a_likely_duplicate_points_to_the_other(
    people: People, submit: Submit, facts: Facts
) -> None:
    first = await submit()
    answer = await people["submitter"].post("/api/v1/alerts", facts(case_reference="EX-2026-0002"))
    assert (await problem(answer, 409))["other"] == first


async def test_an_edit_needs_the_etag_that_was_read(
    people: People, submit: Submit, facts: Facts
) -> None:
    alert_id = await submit()
    path = f"/api/v1/alerts/{alert_id}"
    await problem(await people["submitter"].ask("PUT", path, json=facts()), 428)
    tag = (await people["submitter"].get(path)).headers["ETag"]
    changed = facts(circumstances="Fictional example: last seen near the school.")
    edited = await people["submitter"].ask("PUT", path, json=changed, headers={"If-Match": tag})
    assert edited.status == 200
    again = await people["submitter"].ask("PUT", path, json=changed, headers={"If-Match": tag})
    await problem(again, 412)
    assert (await people["submitter"].get(path)).headers["ETag"] != tag


@pytest.mark.parametrize("tag", ["*", 'W/"1.1"', '"9.1"', "1.1", '"1.99"'])
async def test_another_etag_is_stale(
    people: People, submit: Submit, facts: Facts, tag: str
) -> None:
    path = f"/api/v1/alerts/{await submit()}"
    answer = await people["submitter"].ask("PUT", path, json=facts(), headers={"If-Match": tag})
    await problem(answer, 412)


async def test_facts_are_for_those_who_judge_them(people: People, submit: Submit) -> None:
    alert_id = await submit()
    for name in ("submitter", "police", "prosecutor"):
        facts = (await show(people, alert_id, name))["versions"][0]["facts"]
        assert facts["children"][0]["name"]
    for name in ("operator", "reader"):
        assert (await show(people, alert_id, name))["versions"][0]["facts"] is None


@both_databases
async def test_the_last_approval_activates_and_said_so_before(
    people: People, submit: Submit
) -> None:
    alert_id = await submit()
    path = f"/api/v1/alerts/{alert_id}"
    for name, reference, last in (
        ("police", None, False),
        ("prosecutor", "EX 12/2026", False),
        ("activation", None, True),
    ):
        shown = await (await people[name].get(f"{path}/renditions")).json()
        assert shown["you_may_approve_as"] == [name]
        assert shown["your_approval_would_activate"] is last
        given = {"role": name, "digest": shown["digest"], "reference": reference}
        answer = await people[name].post(f"{path}/approvals", given)
        said = await answer.json()
        assert (answer.status, said["activated"]) == (201, last)
    shown = await show(people, alert_id)
    assert shown["state"] == "active"
    assert shown["live_version"] == 1
    version = shown["versions"][0]
    assert version["missing"] == []
    assert {a["person"] for a in version["approvals"]} == {
        "Example police",
        "Example prosecutor",
        "Example activation",
    }


@both_databases
async def test_the_live_versions_end_can_be_read_while_an_update_waits(
    people: People, submit: Submit, activate: Activate, facts: Callable[..., dict[str, Any]]
) -> None:
    alert_id = await submit()
    path = f"/api/v1/alerts/{alert_id}"
    await problem(await people["police"].get(f"{path}/renditions?live=true"), 404)
    await activate(alert_id)
    before = await (await people["police"].get(f"{path}/renditions")).json()
    changed = facts(circumstances="Fictional example: seen at the harbour.")
    assert (await people["submitter"].post(f"{path}/updates", changed)).status == 201
    newest = await (await people["police"].get(f"{path}/renditions")).json()
    assert (newest["version"], newest["state"]) == (2, "submitted")
    live = await (await people["police"].get(f"{path}/renditions?live=true")).json()
    assert (live["version"], live["state"], live["you_may_approve_as"]) == (1, "active", [])
    assert live["renditions"] == before["renditions"]
    kinds = {each["kind"] for each in live["renditions"]}
    assert kinds == {"alert", "end", "correction", "expiry"}


async def test_missing_approvals_are_named(people: People, submit: Submit) -> None:
    version = (await show(people, await submit()))["versions"][0]
    assert version["missing"] == ["police", "prosecutor", "activation"]


async def test_an_old_digest_is_a_conflict(people: People, submit: Submit) -> None:
    given = {"role": "police", "digest": "0" * 64}
    answer = await people["police"].post(f"/api/v1/alerts/{await submit()}/approvals", given)
    await problem(answer, 409)


async def test_an_order_needs_its_reference(people: People, submit: Submit) -> None:
    path = f"/api/v1/alerts/{await submit()}"
    shown = await (await people["prosecutor"].get(f"{path}/renditions")).json()
    given = {"role": "prosecutor", "digest": shown["digest"]}
    answer = await people["prosecutor"].post(f"{path}/approvals", given)
    assert named(await problem(answer, 422)) == {"reference"}


async def test_one_role_cannot_stand_in_for_another(people: People, submit: Submit) -> None:
    path = f"/api/v1/alerts/{await submit()}"
    shown = await (await people["police"].get(f"{path}/renditions")).json()
    given = {"role": "activation", "digest": shown["digest"]}
    await problem(await people["police"].post(f"{path}/approvals", given), 403)


async def test_renditions_show_every_text_with_its_slots_named(
    people: People, submit: Submit
) -> None:
    alert_id = await submit()
    shown = await (await people["police"].get(f"/api/v1/alerts/{alert_id}/renditions")).json()
    found = shown["renditions"]
    assert {each["channel"] for each in found} == {"sms", "email", "webhook", "feed"}
    assert {each["language"] for each in found} == {"el", "en", "mul"}
    assert {each["kind"] for each in found} >= {"alert", "end", "correction", "expiry"}
    mail = next(e for e in found if (e["channel"], e["language"]) == ("email", "el"))
    assert "Παραδειγματίδου" in mail["text"]
    assert "Subject: " in mail["text"]
    cap = next(e for e in found if e["form"] == "cap")
    assert "<sent>{{sent}}</sent>" in cap["text"]


async def test_a_return_needs_a_reason_and_gives_the_edit_back(
    people: People, submit: Submit, facts: Facts
) -> None:
    alert_id = await submit()
    path = f"/api/v1/alerts/{alert_id}"
    assert named(await problem(await people["police"].post(f"{path}/returns", {}), 422)) == {
        "reason"
    }
    answer = await people["police"].post(f"{path}/returns", {"reason": "The height is missing."})
    assert (answer.status, (await answer.json())["state"]) == (201, "returned")
    tag = (await people["submitter"].get(path)).headers["ETag"]
    edited = await people["submitter"].ask("PUT", path, json=facts(), headers={"If-Match": tag})
    assert edited.status == 200
    again = await people["submitter"].post(f"{path}/submission")
    assert (await again.json())["state"] == "submitted"


async def test_a_rejected_alert_stays_so(people: People, submit: Submit) -> None:
    path = f"/api/v1/alerts/{await submit()}"
    answer = await people["police"].post(f"{path}/rejections", {"reason": "Not a child."})
    assert (await answer.json())["state"] == "rejected"
    again = await people["police"].post(f"{path}/returns", {"reason": "On second thoughts."})
    await problem(again, 409)


async def test_an_update_leaves_the_live_version_standing(
    people: People, submit: Submit, activate: Activate, facts: Facts
) -> None:
    alert_id = await submit()
    await activate(alert_id)
    changed = facts(circumstances="Fictional example: seen again near the harbour.")
    answer = await people["submitter"].post(f"/api/v1/alerts/{alert_id}/updates", changed)
    assert (answer.status, (await answer.json())["state"]) == (201, "submitted")
    shown = await show(people, alert_id)
    assert (shown["live_version"], shown["state"]) == (1, "submitted")
    await activate(alert_id)
    shown = await show(people, alert_id)
    assert [v["state"] for v in shown["versions"]] == ["active", "superseded"]


async def test_an_end_asks_for_confirmation_first(
    people: People, submit: Submit, activate: Activate
) -> None:
    alert_id = await submit()
    await activate(alert_id)
    path = f"/api/v1/alerts/{alert_id}/end"
    form = {"reason_code": "found", "why": "The child is safe."}
    assert named(await problem(await people["police"].post(path, form), 422)) == {"confirm"}
    answer = await people["police"].post(path, form | {"confirm": True})
    assert (answer.status, (await answer.json())["state"]) == (200, "ended")
    await problem(await people["police"].post(path, form | {"confirm": True}), 409)


async def test_an_unknown_reason_code_is_refused(
    people: People, submit: Submit, activate: Activate
) -> None:
    alert_id = await submit()
    await activate(alert_id)
    form = {"reason_code": "bored", "why": "An example.", "confirm": True}
    answer = await people["police"].post(f"/api/v1/alerts/{alert_id}/end", form)
    assert named(await problem(answer, 422)) == {"reason_code"}


@both_databases
async def test_alerts_are_listed_page_by_page_newest_first(
    people: People, submit: Submit, clock: Any
) -> None:
    made = []
    for number in range(3):
        clock.tick(seconds=1)
        children = [{"name": f"Example {number}", "age": 9, "sex": "female"}]
        plate = {"plate": f"XXX-000{number}"}
        made.append(await submit(case_reference=f"EX-{number}", children=children, vehicle=plate))
    first = await (await people["reader"].get("/api/v1/alerts?limit=2")).json()
    rest = await (
        await people["reader"].get(f"/api/v1/alerts?limit=2&cursor={first['next_cursor']}")
    ).json()
    assert [each["id"] for each in [*first["items"], *rest["items"]]] == made[::-1]
    assert rest["next_cursor"] is None
    assert "name" not in repr(first)


async def test_alerts_are_filtered_by_state(people: People, submit: Submit) -> None:
    await submit()
    for state, count in (("submitted", 1), ("active", 0)):
        listed = await (await people["reader"].get(f"/api/v1/alerts?state={state}")).json()
        assert len(listed["items"]) == count


@pytest.mark.parametrize("path", ["", "/renditions", "/deliveries", "/progress"])
async def test_an_unknown_alert_is_not_found(people: People, path: str) -> None:
    await problem(await people["police"].get(f"/api/v1/alerts/0000000000000000000a{path}"), 404)
