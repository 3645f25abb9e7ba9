"""What the values of a document must be to each other, sentence by sentence of CAP 1.2.

A rule judges the tree, not the model, so that one broken value hides no other finding.
"""

from collections.abc import Callable, Iterator

from lxml import etree

from alertd.core.cap import texts, values
from alertd.core.cap.findings import Finding, Judge, Level, Node, Rule
from alertd.core.cap.model import DEFAULT_LANGUAGE, NAMESPACE
from alertd.core.cap.profile import PLAIN, Profile
from alertd.core.cap.read import SIGNATURE, read
from alertd.core.geo import polygon_fault

RULES: list[Rule] = [*texts.RULES]
LARGE_BYTES = 100_000  # beyond it Google's reader is slow, beyond MAX_BYTES nobody reads


def _rule(id_: str, level: Level, clause: str, says: str) -> Callable[[Judge], Judge]:
    def add(judge: Judge) -> Judge:
        RULES.append(Rule(id=id_, level=level, clause=clause, says=says, judge=judge))
        return judge

    return add


def judge(root: etree._Element, profile: Profile = PLAIN) -> list[Finding]:
    """Give everything that is wrong with a document, in its order; errors of structure included."""
    found = read(root).findings
    if root.tag == f"{{{NAMESPACE}}}alert":
        alert = Node(root)
        for rule in RULES:
            level = profile.levels.get(rule.id, rule.level)
            if level != "off":
                found += rule.findings(alert, level)
        for check in profile.checks:
            found += check.findings(alert)
    return sorted(found, key=lambda each: (each.line or 0, each.level, each.rule))


# --- alert: 3.2.1 ----------------------------------------------------------------------------


@_rule(
    "restriction",
    Level.ERROR,
    "3.2.1 restriction",
    "must say who may see it where scope is Restricted, and stand nowhere else",
)
def _restriction(alert: Node) -> Iterator[Node]:
    found = alert.first("restriction")
    if (alert.value("scope") == "Restricted") != bool(found and found.text.strip()):
        yield found or alert.first("scope") or alert


@_rule(
    "addresses",
    Level.ERROR,
    "3.2.1 addresses",
    "Private needs the element addresses: whom it is for",
)
def _addresses(alert: Node) -> Iterator[Node]:
    scope = alert.first("scope")
    if scope and scope.text == "Private" and not alert.value("addresses").strip():
        yield scope


@_rule(
    "note",
    Level.WARNING,
    "3.2.1 note",
    "is an exercise or an error, and no note says so to people",
)
def _note(alert: Node) -> Iterator[Node]:
    telling = alert.value("status") == "Exercise" or alert.value("msgType") == "Error"
    if telling and not alert.value("note").strip():
        yield alert


def _triplets(alert: Node) -> Iterator[tuple[str, str, str]]:
    """Give the references that can be read: sender, identifier, sent."""
    for each in alert.value("references").split():
        if each.count(",") == 2:
            sender, identifier, sent = each.split(",")
            yield sender, identifier, sent


@_rule(
    "references-missing",
    Level.ERROR,
    "3.2.1 msgType",
    "must name in references the message that it updates, cancels, acknowledges or refuses",
)
def _references_missing(alert: Node) -> Iterator[Node]:
    kind = alert.first("msgType")
    follows = {"Update", "Cancel", "Ack", "Error"}
    if kind and kind.text in follows and not alert.value("references").strip():
        yield kind


@_rule(
    "references-form",
    Level.ERROR,
    "3.2.1 references",
    "must be `sender,identifier,sent`, several of them separated by spaces",
)
def _references_form(alert: Node) -> Iterator[Node]:
    found = alert.first("references")
    if found is None:
        return
    read_ = list(_triplets(alert))
    if len(read_) != len(found.text.split()) or any(
        not sender or not identifier or values.moment(sent) is None
        for sender, identifier, sent in read_
    ):
        yield found


@_rule("references-self", Level.ERROR, "3.2.1 references", "must not name the message itself")
def _references_self(alert: Node) -> Iterator[Node]:
    own = alert.value("sender"), alert.value("identifier")
    if any((sender, identifier) == own for sender, identifier, _ in _triplets(alert)):
        yield from alert.all("references")


@_rule(
    "references-later",
    Level.ERROR,
    "3.2.1 references",
    "names a message that was sent later than this one",
)
def _references_later(alert: Node) -> Iterator[Node]:
    own = values.moment(alert.value("sent"))
    if own is None:
        return
    others = [values.moment(sent) for _, _, sent in _triplets(alert)]
    if any(other is not None and other > own for other in others):
        yield from alert.all("references")


@_rule(
    "info-missing",
    Level.WARNING,
    "3.2.1 info",
    "says nothing: an Alert or Update has at least one info",
)
def _info_missing(alert: Node) -> Iterator[Node]:
    if alert.value("msgType") in {"Alert", "Update"} and not alert.all("info"):
        yield alert


@_rule("size", Level.WARNING, "Google Public Alerts", f"is larger than {LARGE_BYTES} bytes")
def _size(alert: Node) -> Iterator[Node]:
    if len(etree.tostring(alert.element)) > LARGE_BYTES:
        yield alert


@_rule("signature", Level.WARNING, "3.3.4.1", "is signed more than once")
def _signature(alert: Node) -> Iterator[Node]:
    if len(alert.element.findall(SIGNATURE)) > 1:
        yield alert


# --- times: 3.3.2 ----------------------------------------------------------------------------

_TIMES = ("sent", "effective", "onset", "expires")


@_rule(
    "utc-offset",
    Level.WARNING,
    "3.3.2",
    "gives UTC as +00:00; write -00:00, or better the local offset",
)
def _utc_offset(alert: Node) -> Iterator[Node]:
    yield from (each for each in alert.deep(*_TIMES) if each.text.endswith("+00:00"))


@_rule("expires-missing", Level.WARNING, "3.2.2 expires", "has no expires: each reader will guess")
def _expires_missing(alert: Node) -> Iterator[Node]:
    yield from (info for info in alert.all("info") if info.first("expires") is None)


@_rule(
    "expires-early",
    Level.ERROR,
    "3.2.2 expires",
    "is not after sent, effective and onset: nobody would ever show it",
)
def _expires_early(alert: Node) -> Iterator[Node]:
    sent = alert.value("sent")
    for info in alert.all("info"):
        expires = info.first("expires")
        end = values.moment(expires.text) if expires else None
        starts = [sent, info.value("effective"), info.value("onset")]
        begins = [begin for begin in map(values.moment, starts) if begin is not None]
        if expires and end is not None and any(begin >= end for begin in begins):
            yield expires


# --- info: 3.2.2 -----------------------------------------------------------------------------


def _kept_alike(alert: Node, shape: Callable[[Node], object]) -> Iterator[Node]:
    infos = alert.all("info")
    yield from (info for info in infos[1:] if shape(info) != shape(infos[0]))


@_rule(
    "category-alike",
    Level.ERROR,
    "3.2.2 info",
    "must carry the same category as the first info",
)
def _category_alike(alert: Node) -> Iterator[Node]:
    return _kept_alike(alert, lambda info: {each.text for each in info.all("category")})


@_rule(
    "event-code-alike",
    Level.ERROR,
    "3.2.2 info",
    "must carry the same eventCode as the first info",
)
def _event_code_alike(alert: Node) -> Iterator[Node]:
    def codes(info: Node) -> set[tuple[str, str]]:
        return {(each.value("valueName"), each.value("value")) for each in info.all("eventCode")}

    return _kept_alike(alert, codes)


@_rule(
    "language-twice",
    Level.WARNING,
    "3.2.2 language",
    "is in the language of an info before it; best is one for each language",
)
def _language_twice(alert: Node) -> Iterator[Node]:
    seen = set()
    for info in alert.all("info"):
        tag = (info.value("language") or DEFAULT_LANGUAGE).strip().lower()
        if tag in seen:
            yield info
        seen.add(tag)


@_rule("area-missing", Level.WARNING, "3.2.2 area", "has no area: nobody knows where it applies")
def _area_missing(alert: Node) -> Iterator[Node]:
    yield from (info for info in alert.all("info") if not info.all("area"))


# --- area: 3.2.4 -----------------------------------------------------------------------------


def _rings(alert: Node) -> Iterator[tuple[Node, tuple[values.Point, ...]]]:
    for node in alert.deep("polygon"):
        if (ring := values.points(node.text)) is not None:
            yield node, ring


@_rule(
    "polygon-points",
    Level.ERROR,
    "3.2.4 polygon",
    "needs at least 4 points, the last the same as the first",
)
def _polygon_points(alert: Node) -> Iterator[Node]:
    yield from (node for node, ring in _rings(alert) if len(ring) < 4)


@_rule(
    "polygon-closed",
    Level.ERROR,
    "3.2.4 polygon",
    "is not closed: repeat the first point at the end",
)
def _polygon_closed(alert: Node) -> Iterator[Node]:
    yield from (node for node, ring in _rings(alert) if len(ring) >= 4 and ring[0] != ring[-1])


SIDES = 1_000_000  # pairs of sides that are held against each other, over all polygons


@_rule(
    "polygon-crossing",
    Level.ERROR,
    "3.2.4 polygon",
    "crosses or touches itself, or the 180th meridian, or repeats a point",
)
def _polygon_crossing(alert: Node) -> Iterator[Node]:
    left = SIDES
    for node, ring in _rings(alert):
        left -= len(ring) ** 2
        sound = len(ring) >= 4 and ring[0] == ring[-1]
        if left >= 0 and sound and polygon_fault(ring) is not None:
            yield node


@_rule("circle-radius", Level.WARNING, "3.2.4 circle", "has the radius 0: it covers nothing")
def _circle_radius(alert: Node) -> Iterator[Node]:
    for node in alert.deep("circle"):
        found = values.circle(node.text)
        if found is not None and found[1] == 0:
            yield node


@_rule("ceiling", Level.ERROR, "3.2.4 ceiling", "must not be given without altitude")
def _ceiling(alert: Node) -> Iterator[Node]:
    for area in alert.deep("area"):
        if area.first("altitude") is None:
            yield from area.all("ceiling")
