"""The Common Alerting Protocol 1.2: the whole model, its XML both ways, and its rules."""

from alertd.core.cap.findings import Finding, Level, Rule
from alertd.core.cap.model import (
    MEDIA_TYPE,
    NAMESPACE,
    OLD_MEDIA_TYPE,
    Alert,
    Area,
    Category,
    Certainty,
    Circle,
    Element,
    Info,
    MessageType,
    Named,
    Point,
    Resource,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
)
from alertd.core.cap.naming import message_identifier
from alertd.core.cap.profile import Check, Profile
from alertd.core.cap.read import MAX_BYTES, BrokenDocument, Reading, open_tree, parse, read
from alertd.core.cap.rules import RULES, judge
from alertd.core.cap.write import date_time, to_xml

__all__ = [
    "MAX_BYTES",
    "MEDIA_TYPE",
    "NAMESPACE",
    "OLD_MEDIA_TYPE",
    "RULES",
    "Alert",
    "Area",
    "BrokenDocument",
    "Category",
    "Certainty",
    "Check",
    "Circle",
    "Element",
    "Finding",
    "Info",
    "Level",
    "MessageType",
    "Named",
    "Point",
    "Profile",
    "Reading",
    "Resource",
    "ResponseType",
    "Rule",
    "Scope",
    "Severity",
    "Status",
    "Urgency",
    "date_time",
    "judge",
    "message_identifier",
    "open_tree",
    "parse",
    "read",
    "to_xml",
]
