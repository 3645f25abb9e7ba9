"""Reads a CAP document as an alert request: who sent it, and the alert that it asks for.

What CAP has no element for comes in parameters (capfacts); what is missing is named field by
field. The alert then takes the same way as any other: criteria, approvals, and all.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from lxml import etree
from pydantic import ValidationError

from alertd.capsign import NotVerified, Senders, load_certificates, verify
from alertd.core import cap
from alertd.core.alert import ChildAlert
from alertd.core.errors import ConfigError, InvalidAlert, NotAllowed, Problem
from alertd.core.problems import problems_of
from alertd.pipeline.capfacts import SCHEME, facts_of

log = structlog.get_logger()

REGION = "ISO3166-2"  # valueName of geocodes that name regions
_STATUS = {"Actual": "actual", "Exercise": "exercise", "Test": "test"}
_ABDUCTION = {("SAME", "CAE"), ("OET:v1.2", "OET-038")}
_ELEMENTS = {
    "authority": "the element senderName",
    "circumstances": "the element description",
    "expires_at": "the element expires",
    "area.regions": f"a geocode named {REGION}",
    "case_reference": "the element incidents",
}
_OF_ELEMENTS = frozenset({"status", "expires_at"})  # a parameter may not say otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class CapRequest:
    """An alert that was asked for in CAP."""

    alert: ChildAlert
    draft: bool  # it may only be kept: nobody vouches for its sender
    signer: str | None  # SHA-256 of the certificate, where it was checked
    key: str  # the same for the same message: a repeated one is no second alert
    document: str  # as it came; in base64 where it is not UTF-8


def read_request(data: bytes, senders: Senders, now: datetime) -> CapRequest:
    """Read and verify; raises BrokenDocument, InvalidAlert with every problem, and NotAllowed.

    A registered sender must have signed. What an unregistered one signs proves nothing.
    """
    root = cap.open_tree(data)
    sender = root.findtext(f"{{{cap.NAMESPACE}}}sender") or ""
    signer = None
    draft = senders.unregistered == "draft"
    if (path := senders.certificates.get(sender)) is not None:
        root, signer = _verified(root, path, now)
        draft = False
    elif senders.unregistered == "refuse":
        raise NotAllowed("this sender is not registered: its requests in CAP are not taken")
    message = _message(root)
    return CapRequest(
        alert=_alert(message),
        draft=draft,
        signer=signer,
        key=_key(message),
        document=_kept(data),
    )


def _verified(root: etree._Element, path: Path, now: datetime) -> tuple[etree._Element, str]:
    """Give what was signed, and by which certificate."""
    try:
        signature = verify(root, load_certificates(path), now)
    except NotVerified as error:
        raise NotAllowed(f"this sender signs its requests: {error}") from None
    except ConfigError as error:
        log.critical("cap.sender_unverifiable", why=str(error))
        raise NotAllowed("this sender's certificate cannot be read: tell an operator") from None
    return signature.signed, signature.fingerprint


def _message(root: etree._Element) -> cap.Alert:
    reading = cap.read(root)
    if reading.alert is None:
        raise InvalidAlert(
            [Problem(each.path or "alert", each.message) for each in reading.findings]
        )
    return reading.alert


def _key(message: cap.Alert) -> str:
    triplet = f"{message.sender},{message.identifier},{message.sent}"
    return f"cap:{hashlib.sha256(triplet.encode()).hexdigest()}"


def _kept(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return b64encode(data).decode()


def _alert(message: cap.Alert) -> ChildAlert:
    said, problems = facts_of(message.info)
    own = _elements(message)
    problems += _message_problems(message)
    problems += [
        Problem(name, "is said by an element of CAP: leave the parameter out")
        for name in sorted(_OF_ELEMENTS & said.keys())
    ]
    area = own.pop("area") | _mapping(said.pop("area", {}))
    try:
        alert = ChildAlert.model_validate(own | said | {"area": area})
    except ValidationError as error:
        problems += map(_explained, problems_of(error))
    if problems:
        raise InvalidAlert(problems)
    return alert


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"": value}


def _message_problems(message: cap.Alert) -> Iterator[Problem]:
    if message.msg_type != "Alert":
        yield Problem(
            "msgType", "must be Alert: update and end an alert at its own address, in JSON"
        )
    if message.status not in _STATUS:
        yield Problem("status", "must be Actual, Exercise or Test")
    if not message.info:
        yield Problem("info", "is required: it says what the alert is about")


def _elements(message: cap.Alert) -> dict[str, Any]:
    """Give what CAP's own elements say; of several infos the first."""
    found: dict[str, Any] = {
        "status": _STATUS.get(message.status, "actual"),
        "reported_at": message.sent,
        "case_reference": message.incidents,
        "area": _area(message.info),
        "languages": list(dict.fromkeys(_bare(info.spoken) for info in message.info)),
        "abduction": any(
            (code.value_name, code.value) in _ABDUCTION
            for info in message.info
            for code in info.event_code
        ),
    }
    if message.info:
        first = message.info[0]
        found |= {
            "authority": first.sender_name,
            "circumstances": first.description,
            "expires_at": first.expires,
        }
    return {name: value for name, value in found.items() if value is not None}


def _area(infos: tuple[cap.Info, ...]) -> dict[str, Any]:
    areas = [area for info in infos for area in info.area]
    regions = [code.value for area in areas for code in area.geocode if code.value_name == REGION]
    found: dict[str, Any] = {"regions": list(dict.fromkeys(regions))} if regions else {}
    if ring := next((ring for area in areas for ring in area.polygon), None):
        found["polygon"] = ring
    if circle := next((circle for area in areas for circle in area.circle), None):
        found["circle"] = {"centre": circle.centre, "radius_km": circle.radius_km}
    return found


def _bare(tag: str) -> str:
    """Give the language without its country, as rule sets name it: `el` of `el-GR`."""
    first, *rest = tag.split("-")
    return "-".join([first, *(part for part in rest if len(part) == 4)])


def _explained(problem: Problem) -> Problem:
    """Say where in CAP a missing field belongs."""
    if not problem.message.startswith("is required"):
        return problem
    place = _ELEMENTS.get(problem.field, f"the parameter {SCHEME}{problem.field}")
    return Problem(problem.field, f"is required: add it as {place}")
