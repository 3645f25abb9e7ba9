"""Every rule of the standard and of the profiles, each with a document that breaks it."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping

import pytest

from alertd.capprofiles import load_profiles
from alertd.core import cap
from alertd.resources import home

GOOD = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>example.1</identifier>
  <sender>alerts@example.org</sender>
  <sent>2026-03-14T20:30:00+02:00</sent>
  <status>Exercise</status>
  <msgType>Update</msgType>
  <scope>Public</scope>
  <code>IPAWSv1.0</code>
  <note>An exercise.</note>
  <references>alerts@example.org,example.0,2026-03-14T19:30:00+02:00</references>
  <info>
    <language>el-GR</language>
    <category>Rescue</category>
    <event>Αρπαγή παιδιού</event>
    <urgency>Immediate</urgency>
    <severity>Severe</severity>
    <certainty>Likely</certainty>
    <eventCode><valueName>SAME</valueName><value>CAE</value></eventCode>
    <expires>2026-03-15T08:30:00+02:00</expires>
    <headline>Παιδί αναζητείται</headline>
    <description>Φανταστική περιγραφή.</description>
    <instruction>Καλέστε το 112.</instruction>
    <web>https://example.org/alert</web>
    <parameter><valueName>EAS-ORG</valueName><value>CIV</value></parameter>
    <parameter>
      <valueName>alertd:1:cell_broadcast.message_id</valueName><value>4381</value>
    </parameter>
    <parameter>
      <valueName>alertd:1:cell_broadcast.text</valueName><value>Καλέστε το 112.</value>
    </parameter>
    <resource>
      <resourceDesc>photo</resourceDesc>
      <mimeType>image/jpeg</mimeType>
      <size>10</size>
      <uri>https://example.org/photo.jpg</uri>
    </resource>
    <area>
      <areaDesc>Αττική</areaDesc>
      <polygon>37,23 38,23 38,24 37,23</polygon>
      <circle>37.9,23.7 5</circle>
      <geocode><valueName>SAME</valueName><value>006037</value></geocode>
    </area>
  </info>
  <info>
    <language>en-GB</language>
    <category>Rescue</category>
    <event>Child abduction</event>
    <urgency>Immediate</urgency>
    <severity>Severe</severity>
    <certainty>Likely</certainty>
    <eventCode><valueName>SAME</valueName><value>CAE</value></eventCode>
    <expires>2026-03-15T08:30:00+02:00</expires>
    <headline>A child is sought</headline>
    <description>A fictional description.</description>
    <instruction>Call 112.</instruction>
    <web>https://example.org/alert</web>
    <parameter><valueName>EAS-ORG</valueName><value>CIV</value></parameter>
    <parameter>
      <valueName>alertd:1:cell_broadcast.message_id</valueName><value>4394</value>
    </parameter>
    <parameter>
      <valueName>alertd:1:cell_broadcast.text</valueName><value>Call 112.</value>
    </parameter>
    <area>
      <areaDesc>Attica</areaDesc>
      <geocode><valueName>SAME</valueName><value>006037</value></geocode>
    </area>
  </info>
</alert>
"""
PROFILES = load_profiles(home("config") / "cap-profiles")
RING = "<polygon>37,23 38,23 38,24 37,23</polygon>"
PHOTO = "<uri>https://example.org/photo.jpg</uri>"
EMBEDDED = b64encode(b"jpeg").decode()
SHA = hashlib.sha1(b"jpeg").hexdigest()  # noqa: S324 - CAP's own digest

VALUE = "</valueName><value>"
SENT = "2026-03-14T20:30:00+02:00"

Edits = Mapping[str, str]

# What is replaced, once, in GOOD; the rule must find exactly this.
BREAKS: Mapping[str, Edits] = {
    "structure": {"<scope>Public</scope>": ""},
    "enumeration": {"<scope>Public": "<scope>Everybody"},
    "value": {"<size>10": "<size>ten"},
    "characters": {"<identifier>example.1": "<identifier>example 1"},
    "date-time": {"20:30:00+02:00": "18:30:00Z"},
    "polygon-form": {RING: "<polygon>north of here</polygon>"},
    "circle-form": {"37.9,23.7 5": "37.9 23.7 5"},
    "restriction": {"<scope>Public": "<scope>Restricted"},
    "addresses": {"<scope>Public": "<scope>Private"},
    "note": {"  <note>An exercise.</note>\n": ""},
    "references-missing": {
        "  <references>alerts@example.org,example.0,2026-03-14T19:30:00+02:00</references>\n": ""
    },
    "references-form": {"example.0,2026": "example.0;2026"},
    "references-self": {"org,example.0,": "org,example.1,"},
    "references-later": {"example.0,2026-03-14T19": "example.0,2026-03-14T21"},
    "signature": {
        "</alert>": '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>' * 2 + "</alert>"
    },
    "size": {"A fictional description.": "x " * 60_000},
    "utc-offset": {"2026-03-14T20:30:00+02:00": "2026-03-14T18:30:00+00:00"},
    "expires-missing": {"    <expires>2026-03-15T08:30:00+02:00</expires>\n": ""},
    "expires-early": {"<expires>2026-03-15T08": "<expires>2026-03-13T08"},
    "category-alike": {"<category>Rescue": "<category>Safety"},
    "event-code-alike": {"<value>CAE": "<value>CEM"},
    "language-twice": {"<language>en-GB": "<language>el-GR"},
    "area-missing": {
        "    <area>\n      <areaDesc>Attica</areaDesc>\n      <geocode><valueName>SAME</valueName>"
        "<value>006037</value></geocode>\n    </area>\n": ""
    },
    "polygon-points": {RING: "<polygon>37,23 38,23 37,23</polygon>"},
    "polygon-closed": {RING: "<polygon>37,23 38,23 38,24 37,24</polygon>"},
    "polygon-crossing": {RING: "<polygon>37,23 38,24 38,23 37,24 37,23</polygon>"},
    "circle-radius": {"37.9,23.7 5": "37.9,23.7 0"},
    "ceiling": {"    </area>\n": "<ceiling>100</ceiling></area>"},
    "empty": {
        "<note>": "<source/><note>",
        "<scope>Public</scope>\n  <code>": "<scope>Public</scope><code>",
    },
    "markup": {"A fictional description.": "&lt;b&gt;Bold&lt;/b&gt;"},
    "headline-length": {"A child is sought": "A child " * 30},
    "headline-repeated": {"A child is sought": "A fictional description."},
    "description-repeated": {"A fictional description.": "Call 112."},
    "untranslated": {"A fictional description.": "Φανταστική περιγραφή."},
    "web": {"https://example.org/alert": "/alert"},
    "uri": {PHOTO: "<uri>photo.jpg</uri>"},
    "size-missing": {"      <size>10</size>\n": ""},
    "mime-type": {"image/jpeg": "jpeg"},
    "digest": {PHOTO: f"{PHOTO}<digest>123</digest>"},
    "deref-form": {PHOTO: f"{PHOTO}<derefUri>***</derefUri>"},
    "deref": {PHOTO: f"{PHOTO}<derefUri>{EMBEDDED}</derefUri><digest>{SHA}</digest>"},
    "deref-digest": {PHOTO: f"{PHOTO}<derefUri>{EMBEDDED}</derefUri><digest>{'0' * 40}</digest>"},
}
# Some faults cannot come alone.
ALONG = {
    "empty": {"structure"},
    "deref-form": {"deref"},
    "deref-digest": {"deref"},
}
PROFILE_BREAKS: Mapping[tuple[str, str], Edits] = {
    ("ipaws", "ipaws-code"): {"IPAWSv1.0": "IPAWSv2.0"},
    ("ipaws", "ipaws-event-code"): {f"SAME{VALUE}CAE": f"X{VALUE}CAE"},
    ("ipaws", "ipaws-same"): {"<value>CAE": "<value>Abduction"},
    ("ipaws", "ipaws-geocode"): {f"SAME{VALUE}006037": f"X{VALUE}1"},
    ("ipaws", "ipaws-eas-org"): {"EAS-ORG": "EAS"},
    ("ipaws", "ipaws-effective"): {"<expires>": f"<effective>{SENT}</effective><expires>"},
    ("ipaws", "ipaws-onset"): {"<expires>": f"<onset>{SENT}</onset><expires>"},
    ("ipaws", "wea-text"): {f"EAS-ORG{VALUE}CIV": f"CMAMtext{VALUE}{'x' * 91}"},
    ("ipaws", "wea-long-text"): {f"EAS-ORG{VALUE}CIV": f"CMAMlongtext{VALUE}{'x' * 361}"},
    ("eu-alert", "cb-message-id"): {"cell_broadcast.message_id": "cell_broadcast.number"},
    ("eu-alert", "cb-message-id-range"): {"<value>4381": "<value>919"},
    ("eu-alert", "cb-text"): {"cell_broadcast.text": "cell_broadcast.words"},
    ("eu-alert", "cb-text-length"): {f"text{VALUE}Κ": f"text{VALUE}{'Κα' * 320}"},
    ("eu-alert", "cb-language"): {"    <language>el-GR</language>\n": ""},
    ("eu-alert", "cb-instruction"): {"    <instruction>Call 112.</instruction>\n": ""},
    ("wmo", "wmo-identifier"): {},
    ("wmo", "wmo-language"): {"    <language>el-GR</language>\n": ""},
    ("wmo", "wmo-headline"): {"    <headline>A child is sought</headline>\n": ""},
    ("wmo", "wmo-description"): {"    <description>A fictional description.</description>\n": ""},
    ("wmo", "wmo-sender-name"): {},
}


def changed(edits: Edits) -> bytes:
    text = GOOD
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


def found(text: bytes, profile: str = "plain") -> dict[str, cap.Finding]:
    return {each.rule: each for each in cap.judge(cap.open_tree(text), PROFILES[profile])}


def test_a_good_document_breaks_no_rule() -> None:
    assert found(GOOD.encode()) == {}


@pytest.mark.parametrize("rule", BREAKS)
def test_each_rule_finds_what_breaks_it(rule: str) -> None:
    text = changed(BREAKS[rule])
    findings = found(text)
    assert rule in findings
    assert set(findings) <= {rule} | ALONG.get(rule, set()), findings
    told = findings[rule]
    assert told.line
    assert told.clause
    assert told.message


def test_info_is_missing_from_an_alert_that_has_none() -> None:
    first, last = GOOD.index("  <info>"), GOOD.index("</alert>")
    assert set(found((GOOD[:first] + GOOD[last:]).encode())) == {"info-missing"}


def test_no_rule_is_without_a_document_that_breaks_it() -> None:
    assert {rule.id for rule in cap.RULES} <= set(BREAKS) | {"info-missing"}
    assert len({rule.id for rule in cap.RULES}) == len(cap.RULES)
    checks = {(name, check.id) for name, each in PROFILES.items() for check in each.checks}
    assert checks == set(PROFILE_BREAKS)


@pytest.mark.parametrize(("profile", "rule"), PROFILE_BREAKS)
def test_each_check_of_a_profile_finds_what_breaks_it(profile: str, rule: str) -> None:
    edits = PROFILE_BREAKS[profile, rule]
    if edits:
        assert rule not in found(GOOD.encode(), profile)
    assert rule in found(changed(edits), profile)


def test_profiles_make_errors_of_warnings() -> None:
    text = changed(BREAKS["expires-missing"])
    assert found(text)["expires-missing"].level == "warning"
    assert found(text, "ipaws")["expires-missing"].level == "error"


def test_all_findings_come_at_once_in_the_order_of_lines() -> None:
    edits = BREAKS["date-time"] | BREAKS["markup"] | BREAKS["web"] | BREAKS["polygon-closed"]
    findings = cap.judge(cap.open_tree(changed(edits)))
    assert {each.rule for each in findings} == {"date-time", "markup", "web", "polygon-closed"}
    assert [each.line for each in findings] == sorted(each.line or 0 for each in findings)


def test_findings_never_repeat_what_the_document_says() -> None:
    for edits in BREAKS.values():
        for each in found(changed(edits)).values():
            assert "Everybody" not in each.message
            assert "fictional" not in each.message
