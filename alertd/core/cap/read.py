"""A document from XML that anybody may have written.

What is hostile is refused before it costs anything: nothing is fetched, no entity is expanded,
size, number and depth of elements are bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from alertd.core.cap.findings import MOST, Finding, Level, Node, finding
from alertd.core.cap.model import NAMESPACE, NESTED, REPEATED, Alert, Element
from alertd.core.errors import InvalidAlert, Problem
from alertd.core.problems import message_of

MAX_BYTES = 1_000_000
MAX_ELEMENTS = 20_000
MAX_DEPTH = 20  # CAP's own is 4; the rest is left to a signature
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"

# All of them write `<` and `!` as ASCII does, so that a document type cannot hide.
_ENCODINGS = {"utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-7", "windows-1252"}
_DECLARED = re.compile(rb"""<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_KINDS = {code: name for name, code in vars(etree.ErrorTypes).items() if isinstance(code, int)}
_CLAUSES = {"alert": "3.2.1", "info": "3.2.2", "resource": "3.2.3", "area": "3.2.4"}

Path = tuple[str | int, ...]


class BrokenDocument(ValueError):
    """The bytes are no XML that is read here; the text says where and why."""


def open_tree(data: bytes) -> etree._Element:
    """Parse, hardened; raises BrokenDocument."""
    _refuse_hostile(data)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise BrokenDocument(_told(error)) from None
    except ValueError as error:  # lxml's word for characters that XML cannot carry
        raise BrokenDocument("is not well-formed XML") from error
    if _depth(root) > MAX_DEPTH:
        raise BrokenDocument(f"is nested too deeply: at most {MAX_DEPTH} elements")
    return root


def _refuse_hostile(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise BrokenDocument(f"is too large: at most {MAX_BYTES} bytes")
    if b"\x00" in data or data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise BrokenDocument("must be written in UTF-8")
    declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
    if declared and declared[1].decode().lower() not in _ENCODINGS:
        raise BrokenDocument("is declared in an encoding that is not read here: write it in UTF-8")
    if data.count(b"<") > 3 * MAX_ELEMENTS:
        raise BrokenDocument(f"holds too many elements: at most {MAX_ELEMENTS}")
    if data.count(b"xmlns") > 1000:
        raise BrokenDocument("declares too many namespaces")
    if _has_doctype(data):
        raise BrokenDocument("declares a document type; CAP has none: leave <!DOCTYPE> out")


def _has_doctype(data: bytes) -> bool:
    """Look through what may stand before the first element: comments and instructions."""
    at = 0
    while (at := data.find(b"<", at)) >= 0:
        if data.startswith(b"<!--", at):
            at = data.find(b"-->", at + 4)
        elif data.startswith(b"<?", at):
            at = data.find(b"?>", at + 2)
        else:
            return data.startswith(b"<!", at)
        if at < 0:
            return False  # never closed: no XML at all
    return False


def _told(error: etree.XMLSyntaxError) -> str:
    """Name the fault by its kind and place: libxml2's own words may quote the document."""
    what = _KINDS.get(error.code, "nothing there").removeprefix("ERR_").replace("_", " ").lower()
    line, column = error.position if error.lineno is not None else (1, 1)
    return f"is not well-formed XML: {what}, line {line}, column {column}"


def _depth(root: etree._Element) -> int:
    deepest = depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest


@dataclass(slots=True)
class Reading:
    """What a tree gave: the document, unless something of it cannot be one, and what is wrong."""

    alert: Alert | None = None
    findings: list[Finding] = field(default_factory=list)


def read(root: etree._Element) -> Reading:
    """Read the elements: unknown, misplaced, missing and impossible ones become findings."""
    reading = Reading()
    if root.tag != f"{{{NAMESPACE}}}alert":
        message = f"is not the element alert of {NAMESPACE}"
        reading.findings.append(_fault("structure", message, Node(root), "alert"))
        return reading
    walk = _Walk()
    facts = walk.fields(Node(root), Alert, ())
    reading.findings += walk.findings
    try:
        alert = Alert.model_validate(facts)
    except ValidationError as error:
        reading.findings += walk.value_faults(error)
        return reading
    if not walk.findings:
        reading.alert = alert
    return reading


def parse(data: bytes) -> Alert:
    """Give the document; raises BrokenDocument, and InvalidAlert with all that is not CAP."""
    reading = read(open_tree(data))
    if reading.alert is None:
        raise InvalidAlert(
            [Problem(each.path or "alert", each.message) for each in reading.findings]
        )
    return reading.alert


class _Walk:
    """Turns a tree into what the model takes, and remembers where everything stood."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._places: dict[Path, Node] = {}

    def fields(self, node: Node, model: type[Element], at: Path) -> dict[str, Any]:
        self._places[at] = node
        names = {info.alias or name: name for name, info in model.model_fields.items()}
        order = list(names)
        found: dict[str, Any] = {}
        reached = 0
        if node.element.attrib:
            self._complain("has attributes; CAP's elements have none", node, node)
        for child in self._children(node, top=model is Alert):
            if child.name not in names:
                self._complain(f"is no element of {node.name} in CAP 1.2", child, node)
                continue
            place = order.index(child.name)
            if place < reached:
                self._complain(f"must stand before {order[reached]}", child, node)
            reached = max(reached, place)
            several = names[child.name] in REPEATED.get(model, ())
            if several:
                items = found.setdefault(child.name, [])
                items.append(self._value(child, (*at, child.name, len(items))))
            elif child.name in found:
                self._complain("must stand only once", child, node)
            elif (value := self._value(child, (*at, child.name))) != "" or self._needed(
                model, child
            ):
                found[child.name] = value
        return found

    def _children(self, node: Node, *, top: bool) -> Iterator[Node]:
        """Give the elements; text between them is refused, and so is what follows a signature."""
        texts = [node.element.text, *(each.tail for each in node.element)]
        if any(text and text.strip() for text in texts):
            self._complain("holds text between its elements", node, node)
        signed = False
        for element in node.element:
            if not isinstance(element.tag, str):  # a comment or an instruction
                continue
            if top and element.tag == SIGNATURE:
                signed = True
            elif signed:
                self._complain("must stand before the signature", Node(element), node)
            else:
                yield Node(element)

    def _value(self, node: Node, at: Path) -> Any:
        if (model := NESTED.get(node.name)) is not None:
            return self.fields(node, model, at)
        self._places[at] = node
        if node.element.attrib:
            self._complain("has attributes; CAP's elements have none", node, node)
        for child in node.element:
            if isinstance(child.tag, str):
                self._complain("must hold text alone, no elements", node, node)
                break
        return node.text.strip() if node.name in _COLLAPSED else node.text

    def _needed(self, model: type[Element], node: Node) -> bool:
        """Tell an empty element that must be filled from one that may be taken as absent."""
        return any(
            info.is_required() and node.name == (info.alias or name)
            for name, info in model.model_fields.items()
        )

    def _complain(self, message: str, node: Node, holder: Node) -> None:
        if len(self.findings) < MOST:
            self.findings.append(_fault("structure", message, node, holder.name))

    def value_faults(self, error: ValidationError) -> Iterator[Finding]:
        """Give one finding per element that pydantic refused: the first thing it says of it."""
        told: set[tuple[Path, str]] = set()
        for detail in error.errors(include_url=False, include_input=False):
            if len(told) == MOST:
                return
            at, missing = self._place(detail)
            if (at, missing) in told:
                continue
            told.add((at, missing))
            node = self._places[at]
            if missing:
                yield _fault("structure", f"needs the element {missing}", node, node.name)
            else:
                yield _fault(_rule(detail), message_of(detail), node, self._holder(at))

    def _place(self, detail: ErrorDetails) -> tuple[Path, str]:
        """Give the nearest element there is, and the name of the one that is missing in it."""
        at: Path = detail["loc"]
        missing = str(at[-1]) if detail["type"] == "missing" else ""
        while at not in self._places:
            at = at[:-1]
        return at, missing

    def _holder(self, at: Path) -> str:
        names = [str(step) for step in at[:-1] if isinstance(step, str)]
        return next((name for name in reversed(names) if name in _CLAUSES), "alert")


_COLLAPSED = frozenset(
    {"language", "web", "size", "uri", "altitude", "ceiling"}
)  # by the XSD's types


def _rule(detail: ErrorDetails) -> str:
    """Give the id of the rule that a value breaks."""
    named: str | None = detail.get("ctx", {}).get("rule")
    return named or ("enumeration" if detail["type"] in {"literal_error", "enum"} else "value")


def _fault(rule: str, message: str, node: Node, holder: str) -> Finding:
    clause = f"{_CLAUSES.get(holder, '3.2')} {holder}"
    if rule == "date-time":
        clause = "3.3.2"
    return finding(rule, Level.ERROR, clause, message, node)
