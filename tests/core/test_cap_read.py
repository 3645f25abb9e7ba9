"""CAP from anybody: what the standard allows is read, what is hostile costs nothing."""

import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from alertd.core import cap
from alertd.core.errors import InvalidAlert
from tests.core.test_cap import make_cap, make_info, schema_faults

SHARED = Path(__file__).parents[3] / "shared" / "data" / "cap" / "oasis-amber-alert-example.xml"

# Built like the example of an AMBER alert in the standard's appendix A.4, of other words.
AMBER = """<?xml version = "1.0" encoding = "UTF-8"?>
<!-- a comment may stand anywhere -->
<alert xmlns = "urn:oasis:names:tc:emergency:cap:1.2">
   <identifier>EXAMPLE-0306112239-SW</identifier>
   <sender>alerts@example.org</sender>
   <sent>2003-06-11T22:39:00-07:00</sent>
   <status>Actual</status>
   <msgType>Alert</msgType>
   <source>SW</source>
   <scope>Public</scope>
   <info>
     <language>en-US</language>
     <category>Rescue</category>
     <event>Child Abduction</event>
     <urgency>Immediate</urgency>
     <severity>Severe</severity>
     <certainty>Likely</certainty>
     <eventCode>
        <valueName>SAME</valueName>
        <value>CAE</value>
     </eventCode>
     <senderName>Example Police Department (fictional)</senderName>
     <headline>Amber Alert in Example County</headline>
     <description>VICTIM: EXAMPLE DOE JR. 3'0", 40 LBS.  W/BLUE COLLAR.</description>
     <contact>DET. EXAMPLE AT +30 690 000 0000</contact>
     <area>
        <areaDesc>Example County</areaDesc>
        <geocode>
           <valueName>SAME</valueName>
           <value>006037</value>
        </geocode>
     </area>
   </info>
   <info>
     <language>es-US</language>
     <category>Rescue</category>
     <event>Abducción de Niño</event>
     <urgency>Immediate</urgency>
     <severity>Severe</severity>
     <certainty>Likely</certainty>
     <eventCode>
        <valueName>SAME</valueName>
        <value>CAE</value>
     </eventCode>
     <headline>Alerta Amber en el condado de Ejemplo</headline>
     <area>
        <areaDesc>condado de Ejemplo</areaDesc>
     </area>
   </info>
</alert>
"""


@pytest.fixture(params=["ours", "oasis"])
def amber(request: pytest.FixtureRequest) -> bytes:
    if request.param == "ours":
        return AMBER.encode()
    if not SHARED.is_file():
        pytest.skip("OASIS' own example is not at hand")
    return SHARED.read_bytes()


def flat(document: bytes) -> list[tuple[str, str]]:
    """Give tag and text of every element in order."""
    return [
        (str(each.tag), (each.text or "").strip()) for each in etree.fromstring(document).iter("*")
    ]


def test_the_amber_example_comes_back_as_an_equal_document(amber: bytes) -> None:
    alert = cap.parse(amber)
    assert flat(cap.to_xml(alert)) == flat(amber)
    assert cap.parse(cap.to_xml(alert)) == alert
    assert [info.language for info in alert.info] == ["en-US", "es-US"]
    assert alert.info[0].event_code == (cap.Named(value_name="SAME", value="CAE"),)
    assert schema_faults(cap.to_xml(alert)) == []


def test_an_info_without_a_language_speaks_english() -> None:
    alert = cap.parse(AMBER.replace("<language>en-US</language>", "").encode())
    assert (alert.info[0].language, alert.info[0].spoken) == (None, "en-US")


def test_comments_do_not_cut_a_text() -> None:
    alert = cap.parse(AMBER.replace("Child Abd", "Child <!-- x --> Abd").encode())
    assert alert.info[0].event == "Child  Abduction"


def test_a_document_in_latin_1_is_read_as_it_is_declared() -> None:
    alert = cap.parse(AMBER.replace("UTF-8", "ISO-8859-1").encode("latin-1"))
    assert alert.info[1].event == "Abducción de Niño"


BOMB = """<?xml version="1.0"?>
<!DOCTYPE alert [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><alert x="&c;">&c;</alert>"""
EXTERNAL = '<!-- - --><?x y?>\n<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><alert>&e;</alert>'
HOSTILE = {
    "entities": (BOMB, "document type"),
    "external subset": (EXTERNAL, "document type"),
    "unknown entity": ("<alert>&file;</alert>", "undeclared entity"),
    "depth": ("<a>" * 100 + "</a>" * 100, "deeply"),
    "endless depth": ("<a>" * 50_000, "not well-formed"),
    "elements": ("<a>" + "<b/>" * 70_000 + "</a>", "too many elements"),
    "size": ("<a>" + "x" * cap.MAX_BYTES + "</a>", "too large"),
    "namespaces": (
        "<a " + " ".join(f'xmlns:n{n}="u{n}"' for n in range(20_000)) + "/>",
        "namespaces",
    ),
    "attributes": ("<a " + " ".join(f'n{n}=""' for n in range(60_000)) + "/>", ""),
    "half": ("<alert><identifier>", "not well-formed"),
    "text": ("Maria is missing", "not well-formed"),
    "nothing": ("", "not well-formed"),
    "control characters": ("<a>\x01</a>", "not well-formed"),
    "two": ("<a/><b/>", "not well-formed"),
    "unclosed comment": ("<!-- x", "not well-formed"),
    "encoding": ('<?xml version="1.0" encoding="UTF-7"?><a/>', "encoding"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused_cheaply(name: str) -> None:
    text, words = HOSTILE[name]
    begun = time.process_time()
    with pytest.raises((cap.BrokenDocument, InvalidAlert)) as caught:
        cap.parse(text.encode())
    assert time.process_time() - begun < 0.5
    assert words in str(caught.value)
    assert "Maria" not in str(caught.value)


def test_hostile_encodings_are_refused() -> None:
    for encoding in ("utf-16", "utf-32-le"):
        with pytest.raises(cap.BrokenDocument, match="UTF-8"):
            cap.parse(AMBER.encode(encoding))


RING = " ".join(f"{n % 90},{n % 180}" for n in range(400))
MANY = {
    "polygons": f"<area><areaDesc>x</areaDesc>{f'<polygon>{RING} 0,0</polygon>' * 200}</area>",
    "strangers": "<x/>" * 19_000,
    "parameters": "<parameter><valueName>alertd:1:X</valueName><value>x</value></parameter>"
    * 6_000,
}


@pytest.mark.parametrize(
    "document",
    [
        *(AMBER.replace("<area>", f"{each}<area>", 1) for each in MANY.values()),
        AMBER.replace("<info>", "<info/>" * 19_000 + "<info>", 1),
    ],
    ids=[*MANY, "infos"],
)
def test_what_the_rules_say_of_a_hostile_document_is_bounded(document: str) -> None:
    begun = time.process_time()
    found = cap.judge(cap.open_tree(document.encode()))
    assert time.process_time() - begun < 8
    assert len(found) < 1_000


def test_everything_that_is_wrong_is_told_at_once_with_its_line() -> None:
    text = (
        AMBER.replace("<status>Actual", "<status>Real")
        .replace("22:39:00-07:00", "22:39:00Z")
        .replace("<scope>Public</scope>", "")
        .replace("<urgency>Immediate</urgency>", "", 1)
        .replace("<contact>", "<colour>red</colour><contact>")
        .replace("<valueName>SAME</valueName>", "", 1)
    )
    with pytest.raises(InvalidAlert) as caught:
        cap.parse(text.encode())
    assert [problem.field for problem in caught.value.problems] == [
        "info[1]/colour",
        "sent",
        "status",
        "alert",
        "info[1]",
        "info[1]/eventCode",
    ]
    lines = {each.path: each.line for each in cap.judge(cap.open_tree(text.encode()))}
    assert lines["status"] == 7
    assert lines["info[1]"] == 11


STRUCTURE = {
    "order": (
        "<source>SW</source>\n   <scope>Public</scope>",
        "<scope>Public</scope><source>S</source>",
    ),
    "twice": ("<source>SW</source>", "<source>SW</source><source>SW</source>"),
    "unknown": ("<source>SW</source>", "<colour>SW</colour>"),
    "foreign": ("<source>SW</source>", '<x xmlns="urn:x">SW</x>'),
    "missing": ("<scope>Public</scope>", ""),
    "missing below": ("<areaDesc>Example County</areaDesc>", ""),
    "enumeration": ("<scope>Public</scope>", "<scope>public</scope>"),
    "very likely": ("<certainty>Likely</certainty>", "<certainty>Very Likely</certainty>"),
    "attribute": ("<scope>", '<scope x="y">'),
    "text": ("<info>", "<info>text"),
    "element in a leaf": ("<scope>Public</scope>", "<scope><b>Public</b></scope>"),
    "no offset": ("22:39:00-07:00", "22:39:00"),
    "fraction": ("22:39:00-07:00", "22:39:00.5-07:00"),
    "no such day": ("2003-06-11", "2003-06-31"),
    "language": ("<language>en-US", "<language>en_US"),
    "namespace": ("cap:1.2", "cap:1.1"),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_what_the_schema_refuses_is_refused(name: str) -> None:
    old, new = STRUCTURE[name]
    text = AMBER.replace(old, new, 1).encode()
    assert schema_faults(text)
    with pytest.raises(InvalidAlert):
        cap.parse(text)


TAGS = sorted(
    {
        field.alias or name
        for model in (cap.Alert, cap.Info, cap.Area, cap.Resource, cap.Named)
        for name, field in model.model_fields.items()
    }
)
TEXTS = ["", "x", "Actual", "Update", "Likely", "en", "10", "-1", "1.5", "0,0 1", "1,1 2,2", " 7 "]
WHERE = st.integers(0, 40)
EDITS = st.one_of(
    st.tuples(st.just("remove"), WHERE),
    st.tuples(st.just("copy"), WHERE, WHERE),
    st.tuples(st.just("rename"), WHERE, st.sampled_from(TAGS)),
    st.tuples(st.just("say"), WHERE, st.sampled_from(TEXTS)),
)
# What the schema lets pass although the words of the standard do not.
STRICTER = {"characters", "polygon-form", "circle-form", "value"}


def edited(edits: list[Any]) -> bytes:
    """Give AMBER after some edits, each at an element that is counted off."""
    root = etree.fromstring(AMBER.encode())
    for kind, place, *rest in edits:
        below = list(root.iter("{*}*"))[1:]
        if not below:
            break
        at = below[place % len(below)]
        parent = at.getparent()
        if kind == "remove":
            parent.remove(at)
        elif kind == "copy":
            below[rest[0] % len(below)].getparent().append(deepcopy(at))
        elif kind == "rename":
            at.tag = f"{{{cap.NAMESPACE}}}{rest[0]}"
        elif not len(at):
            at.text = rest[0]
    return etree.tostring(root)


@settings(max_examples=300, deadline=None)
@given(st.lists(EDITS, min_size=1, max_size=4))
def test_reading_agrees_with_the_schema(edits: list[Any]) -> None:
    document = edited(edits)
    reading = cap.read(cap.open_tree(document))
    valid = schema_faults(document) == []
    if reading.alert is not None:
        assert valid
        assert cap.parse(cap.to_xml(reading.alert)) == reading.alert
    elif valid:
        assert {each.rule for each in reading.findings} <= STRICTER


def test_nothing_but_a_signature_may_follow_the_infos() -> None:
    signature = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'
    assert cap.parse(AMBER.replace("</alert>", f"{signature}</alert>").encode())
    with pytest.raises(InvalidAlert, match="before the signature"):
        cap.parse(AMBER.replace("<info>", f"{signature}<info>", 1).encode())


def test_a_comma_for_a_sign_is_refused_though_the_schema_lets_it_pass() -> None:
    with pytest.raises(InvalidAlert, match="numeric offset"):
        cap.parse(AMBER.replace("22:39:00-07:00", "22:39:00,07:00").encode())


def test_a_slot_cannot_be_written_from_outside() -> None:
    with pytest.raises(InvalidAlert, match="sent"):
        cap.parse(AMBER.replace("2003-06-11T22:39:00-07:00", "sent").encode())


def test_empty_elements_count_as_absent() -> None:
    assert cap.parse(AMBER.replace("<source>SW<", "<source><").encode()).source is None


def test_shapes_are_read() -> None:
    area = cap.Area(
        area_desc="x",
        polygon=(((0, 0), (1, 0), (1, 1), (0, 0)), ((2, 2), (3, 2), (3, 3), (2, 2))),
        circle=(cap.Circle(centre=(37.9, 23.7), radius_km=0.5),),
        altitude="100",
        ceiling="200.50",
    )
    made = make_cap(info=[make_info(area=[area])])
    assert cap.parse(cap.to_xml(made)) == made


@pytest.mark.parametrize(
    "wrong", ["91,0 1", "0,181 1", "0 0 1", "0,0", "0,0 -1", "0,0 x", "1e1,0 1"]
)
def test_impossible_circles_are_refused(wrong: str) -> None:
    text = AMBER.replace("<geocode>", f"<circle>{wrong}</circle><geocode>", 1)
    with pytest.raises(InvalidAlert, match="circle must be"):
        cap.parse(text.encode())
