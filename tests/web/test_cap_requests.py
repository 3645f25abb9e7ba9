"""Alerts asked for in CAP: the same criteria and approvals, and nobody speaks in another's name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from structlog.testing import capture_logs

from alertd.capsign import NOBODY, Senders
from alertd.core import cap
from alertd.core.alert import ChildAlert
from alertd.core.errors import InvalidAlert
from alertd.pipeline.capfacts import SCHEME, parameters
from alertd.pipeline.caprequest import read_request
from alertd.store.schema import audit
from alertd.tools import Tools
from tests.conftest import FakeClock
from tests.core.test_cap import make_cap, make_info
from tests.core.test_cap_read import HOSTILE
from tests.factories import NOW, alert_facts, child_facts, make_alert
from tests.signing import Pair, make_pair
from tests.web.conftest import Person

ALERTS = "/api/v1/alerts"
POLICE = "police@example.org"


def request(facts: dict[str, Any], **changes: Any) -> bytes:
    """Give the CAP document that asks for an alert of these facts."""
    facts = dict(facts)
    status, expires = facts.pop("status"), facts.pop("expires_at")
    info = make_info(parameter=parameters(facts), expires=datetime.fromisoformat(expires))
    made = {
        "identifier": "example.police.1",
        "sender": POLICE,
        "sent": NOW,
        "status": status.title(),
        "info": (info,),
    }
    return cap.to_xml(make_cap(**made | changes))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("police"))


@pytest.fixture
def senders() -> Senders:
    return NOBODY


@pytest.fixture
def tools(tools: Tools, senders: Senders) -> Tools:
    return replace(tools, senders=senders)


def registered(pair: Pair) -> Senders:
    return Senders({POLICE: pair.certificate}, "refuse")


async def post(person: Person, document: bytes, **headers: str) -> ClientResponse:
    given = {"Content-Type": "application/cap+xml", **headers}
    return await person.ask("POST", ALERTS, data=document, headers=given)


async def said(answer: ClientResponse, status: int) -> dict[str, Any]:
    found: dict[str, Any] = await answer.json()
    assert answer.status == status, found
    return found


# --- the mapping -----------------------------------------------------------------------------


def everything() -> dict[str, Any]:
    """Give an alert that has every field there is."""
    person = {"sex": "male", "height_cm": 180, "distinguishing_marks": "tattoo: 007, left arm"}
    return alert_facts(
        abduction=True,
        children=[
            child_facts(health="asthma", distinguishing_marks="scar"),
            child_facts(name="Νίκη Υποθετικού", age=None, birth_date="2015-03-31"),
        ],
        companions=[person | {"name": "123 X", "age": 41, "relation": "uncle", "suspect": True}],
        area={
            "regions": ["GR-I", "GR-A"],
            "polygon": [[37.123456789, 23.0], [38.0, 23.0], [38.0, 24.0], [37.123456789, 23.0]],
            "circle": {"centre": [37.9, 23.7], "radius_km": 0.00001},
        },
        not_a_duplicate_because="Fictional.",
        circumstances="Line one.\nLine two, with “quotes” & more.",
    )


def read_back(document: bytes) -> ChildAlert:
    return read_request(document, Senders({}, "accept"), NOW).alert


def test_every_field_comes_back_from_our_parameters() -> None:
    facts = everything()
    given = set(ChildAlert.model_validate(facts).model_dump(exclude_none=True))
    assert given == set(ChildAlert.model_fields)
    assert read_back(request(facts)) == ChildAlert.model_validate(facts)


words = st.text(st.characters(categories=("L", "Nd"), max_codepoint=0x24F), min_size=1, max_size=40)
sentences = st.lists(words, min_size=1, max_size=6).map(lambda each: "Example " + " ".join(each))
numbers = st.floats(-90, 90, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    circumstances=sentences,
    children=st.lists(
        st.builds(child_facts, name=sentences, clothing=sentences, age=st.integers(0, 17)),
        min_size=1,
        max_size=10,
    ),
    seen=st.tuples(numbers, numbers),
    suspect=st.booleans(),
)
def test_whatever_an_alert_says_comes_back(
    circumstances: str, children: list[Any], seen: tuple[float, float], suspect: bool
) -> None:
    facts = alert_facts(circumstances=circumstances, children=children)
    facts["last_seen"] |= {"coordinates": list(seen)}
    facts["companions"] = [{"sex": "unknown", "suspect": suspect}]
    alert = read_back(request(facts))
    expected = ChildAlert.model_validate(facts)
    assert alert.model_copy(update={"last_seen": expected.last_seen}) == expected
    assert alert.last_seen.coordinates == pytest.approx(seen, abs=1e-12)


def test_elements_of_cap_say_what_parameters_do_not() -> None:
    facts = everything()
    for name in ("authority", "circumstances", "case_reference", "languages", "reported_at"):
        del facts[name]
    for name in ("area", "abduction"):
        del facts[name]
    area = cap.Area(
        area_desc="Attica",
        polygon=(((37, 23), (38, 23), (38, 24), (37, 23)),),
        circle=(cap.Circle(centre=(37.9, 23.7), radius_km=5),),
        geocode=(cap.Named(value_name="ISO3166-2", value="GR-I"),),
    )
    document = cap.parse(request(facts, incidents="EX-7"))
    info = document.info[0].model_copy(
        update={
            "area": (area,),
            "sender_name": "Example Police",
            "description": "Fictional.",
            "event_code": (cap.Named(value_name="SAME", value="CAE"),),
        }
    )
    english = info.model_copy(update={"language": "en-GB"})
    document = document.model_copy(update={"info": (info, english)})
    alert = read_back(cap.to_xml(document))
    assert (alert.authority, alert.circumstances) == ("Example Police", "Fictional.")
    assert (alert.case_reference, alert.languages) == ("EX-7", ("el", "en"))
    assert (alert.reported_at, alert.abduction) == (NOW, True)
    assert alert.area.regions == ("GR-I",)
    assert alert.area.polygon is not None
    assert alert.area.circle is not None


def problems(document: bytes) -> dict[str, str]:
    with pytest.raises(InvalidAlert) as caught:
        read_back(document)
    return {each.field: each.message for each in caught.value.problems}


def test_every_fact_that_is_missing_is_named_with_its_place() -> None:
    found = problems(cap.to_xml(make_cap()))
    assert found["children"] == "is required: add it as the parameter alertd:1:children"
    assert found["authority"] == "is required: add it as the element senderName"
    assert found["area.regions"] == "is required: add it as a geocode named ISO3166-2"
    assert {"programme", "kind", "last_seen", "circumstances", "case_reference"} <= set(found)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("msgType", {"msg_type": "Update", "references": "a,b,2026-03-14T19:30:00+02:00"}),
        ("msgType", {"msg_type": "Cancel"}),
        ("status", {"status": "Draft"}),
        ("info", {"info": ()}),
    ],
)
def test_what_is_no_request_is_refused(field: str, changes: dict[str, Any]) -> None:
    assert field in problems(request(everything(), **changes))


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("children.0.age", {"children": [child_facts(age="nine")]}),
        ("children.0.colour", {"children": [child_facts(colour="red")]}),
        ("last_seen.coordinates", {"last_seen": {"at": NOW, "place": "x", "coordinates": "north"}}),
        ("last_seen", {"last_seen": "there"}),
        ("area", {"area": "GR-I"}),
        ("criteria.0.met", {"criteria": [{"criterion": "minor", "met": "yes", "reason": "x"}]}),
    ],
)
def test_what_a_field_cannot_be_is_refused_by_name(field: str, facts: dict[str, Any]) -> None:
    found = problems(request(everything() | facts))
    assert any(name.startswith(field) for name in found)


def info_with(*named: tuple[str, str]) -> tuple[cap.Info, ...]:
    extra = tuple(cap.Named(value_name=SCHEME + name, value=value) for name, value in named)
    first = cap.parse(request(everything())).info[0]
    return (first.model_copy(update={"parameter": first.parameter + extra}),)


@pytest.mark.parametrize(
    ("named", "field"),
    [
        (("children.0.name", "Another"), "children.0.name"),
        (("children.0.name.first", "x"), "children.0.name.first"),
        (("children", "x"), "children"),
        (("status", "actual"), "status"),
        (("expires_at", "2027-01-01T00:00:00+00:00"), "expires_at"),
        (("Case Reference", "x"), "parameter"),
        (("a.b.c.d.e.f.g.h", "x"), "parameter"),
    ],
)
def test_contradicting_parameters_are_refused(named: tuple[str, str], field: str) -> None:
    assert field in problems(request(everything(), info=info_with(named)))


def test_a_thousand_problems_are_not_all_told() -> None:
    named = [(f"extra.{n % 9}.{n}.b", text) for n in range(999) for text in "xy"]
    assert len(problems(request(everything(), info=info_with(*named)))) < 300


def test_parameters_of_others_are_passed_over() -> None:
    first = cap.parse(request(everything())).info[0]
    foreign = cap.Named(value_name="EAS-ORG", value="CIV")
    info = (first.model_copy(update={"parameter": (*first.parameter, foreign)}),)
    assert read_back(request(everything(), info=info)) == ChildAlert.model_validate(everything())


def test_the_scheme_names_fields_that_there_are() -> None:
    text = (Path(__file__).parents[2] / "docs/cap.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`alertd:1:([a-z_][a-z_.0-9]+)`", text))
    assert len(named) > 8
    known = {each.value_name.removeprefix(SCHEME) for each in parameters(everything())}
    assert {name for name in named if not name.startswith("cell_broadcast.")} <= known


# --- over HTTP -------------------------------------------------------------------------------


@pytest.fixture
def facts(clock: FakeClock) -> dict[str, Any]:
    return alert_facts(clock())


async def test_an_unregistered_senders_request_is_kept_as_a_draft(
    people: dict[str, Person], facts: dict[str, Any]
) -> None:
    given = await said(await post(people["submitter"], request(facts)), 201)
    assert given["state"] == "draft"
    assert given["warnings"] == ["kept as a draft: the sender of this CAP is not registered"]
    submitted = await people["submitter"].post(f"{ALERTS}/{given['id']}/submission")
    assert (await said(submitted, 200))["state"] == "submitted"


@pytest.mark.parametrize("senders", [Senders({}, "refuse")])
async def test_an_unregistered_sender_can_be_refused(
    people: dict[str, Person], facts: dict[str, Any]
) -> None:
    problem = await said(await post(people["submitter"], request(facts)), 403)
    assert "not registered" in problem["detail"]


@pytest.mark.parametrize("senders", [Senders({}, "accept")])
async def test_an_unregistered_sender_can_count_as_its_submitter(
    people: dict[str, Person], facts: dict[str, Any], activate: Callable[..., Any]
) -> None:
    given = await said(await post(people["submitter"], request(facts)), 201)
    assert (given["state"], given["warnings"]) == ("submitted", [])
    await activate(given["id"])
    shown = await (await people["police"].get(f"{ALERTS}/{given['id']}")).json()
    assert shown["versions"][0]["state"] == "active"


class TestRegistered:
    @pytest.fixture
    def senders(self, pair: Pair) -> Senders:
        return registered(pair)

    async def test_a_signed_request_is_submitted(
        self, people: dict[str, Person], facts: dict[str, Any], pair: Pair, tools: Tools
    ) -> None:
        signed = pair.signer().sign(request(facts), NOW)
        given = await said(await post(people["submitter"], signed), 201)
        assert given["state"] == "submitted"

        def read(conn: Connection) -> str | None:
            return conn.scalar(select(audit.c.body).where(audit.c.action == "alert.submitted"))

        entry = json.loads(await tools.store.read(read) or "")
        assert len(entry["data"]["cap_signer"]) == 64
        assert set(entry["texts"]) == {"facts", "cap"}

    async def test_without_a_signature_it_is_refused(
        self, people: dict[str, Person], facts: dict[str, Any]
    ) -> None:
        problem = await said(await post(people["submitter"], request(facts)), 403)
        assert "not signed" in problem["detail"]

    async def test_a_changed_one_is_refused(
        self, people: dict[str, Person], facts: dict[str, Any], pair: Pair
    ) -> None:
        signed = pair.signer().sign(request(facts), NOW)
        changed = signed.replace(b"red jacket", b"blue jacket")
        assert changed != signed
        problem = await said(await post(people["submitter"], changed), 403)
        assert "does not hold" in problem["detail"]

    async def test_anothers_signature_is_refused(
        self, people: dict[str, Person], facts: dict[str, Any], tmp_path: Path
    ) -> None:
        forged = make_pair(tmp_path, "forger").signer().sign(request(facts), NOW)
        problem = await said(await post(people["submitter"], forged), 403)
        assert "not one that is trusted" in problem["detail"]


@pytest.mark.parametrize("senders", [Senders({POLICE: Path("none.pem")}, "accept")])
async def test_a_certificate_that_is_lost_lets_nobody_in(
    people: dict[str, Person], facts: dict[str, Any]
) -> None:
    with capture_logs() as logs:
        await said(await post(people["submitter"], request(facts)), 403)
    assert "cap.sender_unverifiable" in [each["event"] for each in logs]


@pytest.mark.parametrize("senders", [Senders({}, "accept")])
class TestAccepted:
    async def test_the_same_message_again_is_the_same_alert(
        self, people: dict[str, Person], facts: dict[str, Any]
    ) -> None:
        first = await said(await post(people["submitter"], request(facts)), 201)
        again = await said(await post(people["submitter"], request(facts)), 201)
        assert again["id"] == first["id"]
        other = request(facts | {"circumstances": "Other."})
        await said(await post(people["submitter"], other), 409)

    async def test_the_old_media_type_is_read_as_well(
        self, people: dict[str, Person], facts: dict[str, Any]
    ) -> None:
        old = {"Content-Type": "application/common-alerting-protocol+xml"}
        await said(await post(people["submitter"], request(facts), **old), 201)
        text = {"Content-Type": "text/xml"}
        await said(await post(people["submitter"], request(facts), **text), 415)

    async def test_the_criteria_are_the_same(
        self, people: dict[str, Person], facts: dict[str, Any]
    ) -> None:
        del facts["criteria"]
        facts["children"] = [child_facts(age=40)]
        problem = await said(await post(people["submitter"], request(facts)), 422)
        assert {each["field"] for each in problem["errors"]} == {"criteria", "children.0.age"}

    @pytest.mark.parametrize("name", HOSTILE)
    async def test_hostile_xml_is_a_broken_body(self, people: dict[str, Person], name: str) -> None:
        answer = await post(people["submitter"], HOSTILE[name][0].encode())
        assert answer.status in {400, 413, 422}
        assert "Maria" not in await answer.text()

    async def test_only_a_submitter_may_ask(
        self, people: dict[str, Person], facts: dict[str, Any]
    ) -> None:
        await said(await post(people["police"], request(facts)), 403)

    async def test_the_document_says_what_json_would_have_said(
        self, people: dict[str, Person], clock: FakeClock
    ) -> None:
        facts = alert_facts(clock())
        given = await said(await post(people["submitter"], request(facts)), 201)
        shown = await (await people["submitter"].get(f"{ALERTS}/{given['id']}")).json()
        assert ChildAlert.model_validate(shown["versions"][0]["facts"]) == make_alert(clock())
