"""What is found in a document, and where."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from lxml import etree

from alertd.core.cap.model import NAMESPACE

_PREFIX = f"{{{NAMESPACE}}}"


class Level(StrEnum):
    ERROR = "error"  # the standard, or the profile, says must
    WARNING = "warning"  # it says should, or readers are known to stumble over it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One breach of one rule. The message never repeats what the document says."""

    level: Level
    rule: str
    clause: str
    message: str
    path: str = ""  # info[2]/area[1]/polygon[1]
    line: int | None = None


class Node:
    """One element of a document as the rules see it: CAP's own elements, and their text."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    @property
    def name(self) -> str:
        return str(self.element.tag).removeprefix(_PREFIX)

    @property
    def line(self) -> int | None:
        return self.element.sourceline

    @property
    def text(self) -> str:
        """Give the text of a leaf, whatever comments stand in it."""
        return (self.element.text or "") + "".join(each.tail or "" for each in self.element)

    @property
    def path(self) -> str:
        steps = []
        element: etree._Element | None = self.element
        while element is not None and (parent := element.getparent()) is not None:
            step = Node(element).name
            local = etree.QName(element).localname
            several = _count_same(parent, name=local) > 1
            place = int(_count_before(element, name=local)) + 1
            steps.append(f"{step}[{place}]" if several else step)
            element = parent
        return "/".join(reversed(steps))

    def all(self, *names: str) -> "list[Node]":
        """Give the children of these names, in the document's order."""
        return [Node(each) for each in self.element.iterchildren(*(_PREFIX + n for n in names))]

    def first(self, name: str) -> "Node | None":
        found = self.element.find(_PREFIX + name)
        return None if found is None else Node(found)

    def value(self, name: str) -> str:
        """Give the text of the first child of that name; empty when there is none."""
        found = self.first(name)
        return found.text if found else ""

    def deep(self, *names: str) -> "Iterator[Node]":
        """Give all elements of these names below this one."""
        return (Node(each) for each in self.element.iter(*(_PREFIX + name for name in names)))


# By libxml2 itself: a hostile document may have thousands of siblings.
_count_same = etree.XPath("count(*[local-name() = $name])")
_count_before = etree.XPath("count(preceding-sibling::*[local-name() = $name])")
MOST = 100  # findings of one kind: who is told so many times knows
Judge = Callable[[Node], Iterator[Node]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One sentence of the standard; `judge` gives the elements that break it."""

    id: str
    level: Level
    clause: str  # of CAP 1.2
    says: str
    judge: Judge

    def findings(self, alert: Node, level: Level | None = None) -> Iterator[Finding]:
        for node in islice(self.judge(alert), MOST):
            yield finding(self.id, level or self.level, self.clause, self.says, node)


def finding(rule: str, level: Level, clause: str, message: str, node: Node) -> Finding:
    return Finding(
        level=level,
        rule=rule,
        clause=clause,
        message=f"{node.name} {message}",
        path=node.path,
        line=node.line,
    )
