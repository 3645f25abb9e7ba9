"""Recipients: who is told, on what ground, and how they leave."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from alertd.console.operators.lists import PAGE, cursor, link
from alertd.console.operators.words import CLASSES, lane_of, reason_of
from alertd.console.pages import Answer, Page, Visit, get, post
from alertd.console.permissions import May
from alertd.console.regions import offered
from alertd.console.rendering import N_
from alertd.core.errors import InvalidAlert
from alertd.core.problems import problems_of
from alertd.pipeline import recipients as stages
from alertd.pipeline.recipients import Recipient
from alertd.pipeline.wording import autonym
from alertd.shapes import RecipientView
from alertd.watch.roster import RosterPage, Standing, Wanted, find_recipients, read_recipient

RECIPIENTS = "/recipients"
FIELDS = ("channel", "address", "language", "recipient_class", "label", "consent", "consent_at")
FILTERS = ("channel", "language", "region", "class", "state")
INDENT = "\u2003"
STANDINGS = {
    Standing.TOLD: N_("is told"),
    Standing.ENDED: N_("ended"),
    Standing.SUPPRESSED: N_("address takes nothing"),
}
REMEDIES = {
    "channel": N_("Choose a channel."),
    "address": N_("Give an address that this channel can reach."),
    "language": N_("Choose a language."),
    "recipient_class": N_("Choose who this is."),
    "label": N_("Give a name, without marks such as < or >."),
    "regions": N_("Choose at least one region."),
    "consent": N_("Say what proves the consent."),
    "consent_at": N_("Give the day of the consent; it cannot lie in the future."),
}


async def recipients(visit: Visit) -> Answer:
    asked = {name: visit.query(name).strip()[:100] for name in FILTERS}
    after = cursor(visit)
    page: RosterPage = await visit.tools.store.read(
        find_recipients, _wanted(visit, asked), after=after[0] if after else 0, limit=PAGE
    )
    return await visit.render(
        "operators/recipients.html.j2",
        width="board",
        asked=asked,
        rows=[_shown(visit, each) for each in page.rows],
        next=link(RECIPIENTS, asked, after=str(page.next)) if page.next else "",
        first=link(RECIPIENTS, asked) if after else "",
        full=page.full,
        choices=_choices(visit),
    )


def _wanted(visit: Visit, asked: dict[str, str]) -> Wanted:
    """Read what is looked for; what is no state is none."""
    state = asked["state"]
    return Wanted(
        channel=asked["channel"],
        language=asked["language"],
        region=asked["region"],
        recipient_class=asked["class"],
        standing=Standing(state) if state in list(Standing) else None,
        within=visit.actor.jurisdiction.within(visit.tools.atlas),
    )


def _choices(visit: Visit) -> dict[str, list[tuple[str, str]]]:
    return {
        "channel": [(name, lane_of(visit, name)) for name in sorted(visit.tools.channels)],
        "language": [(tag, autonym(tag)) for tag in visit.console.rendering.languages],
        "region": list(_flat(_offered(visit))),
        "class": [(name, visit.say(text)) for name, text in CLASSES.items()],
        "state": [(str(name), visit.say(text)) for name, text in STANDINGS.items()],
    }


def _flat(tree: list[dict[str, Any]], depth: int = 0) -> Iterator[tuple[str, str]]:
    """Give a tree of regions line by line, what lies within another one set in."""
    for region in tree:
        yield region["code"], INDENT * depth + region["name"]
        yield from _flat(region["children"], depth + 1)


def _shown(visit: Visit, each: RecipientView) -> dict[str, Any]:
    atlas = visit.tools.atlas
    names = [atlas.name(code, visit.language) for code in each.regions]
    return {
        "id": each.id,
        "label": each.label,
        "recipient_class": visit.say(CLASSES.get(each.recipient_class, each.recipient_class)),
        "channel": lane_of(visit, each.channel),
        "address": each.address,
        "language": autonym(each.language),
        "regions": ", ".join(names),
        "exercise": each.exercise,
        "consent": each.consent,
        "consent_at": each.consent_at,
        "ended_at": each.ended_at,
        "suppressed": reason_of(visit, each.suppressed_reason or ""),
        "link": f"{RECIPIENTS}/{each.id}",
    }


async def recipient(visit: Visit) -> Answer:
    within = visit.actor.jurisdiction.within(visit.tools.atlas)
    number = int(visit.path("number"))
    found = await visit.tools.store.read(read_recipient, number, within)
    return await visit.render("operators/recipient.html.j2", row=_shown(visit, found))


async def new(visit: Visit) -> Answer:
    return await _form(visit, {"language": visit.language, "recipient_class": "media"}, {})


async def _form(visit: Visit, given: dict[str, Any], problems: dict[str, str]) -> Answer:
    return await visit.render(
        "operators/new_recipient.html.j2",
        given={name: given.get(name, "") for name in FIELDS},
        exercise=bool(given.get("exercise")),
        chosen=given.get("regions", []),
        problems=problems,
        regions=_offered(visit),
        channels=[(name, lane_of(visit, name)) for name in sorted(visit.tools.channels)],
        classes=[(name, visit.say(text)) for name, text in CLASSES.items()],
        languages=[(tag, autonym(tag)) for tag in visit.console.rendering.languages],
    )


async def add(visit: Visit) -> Answer:
    """Enter one; a webhook's secret is shown this once."""
    form = visit.form
    given: dict[str, Any] = {name: form.get(name) for name in FIELDS}
    given |= {"regions": form.all("regions"), "exercise": form.get("exercise") == "yes"}
    try:
        added = await stages.add(visit.tools, visit.actor, _read(given))
    except InvalidAlert as error:
        wrong = [each.field.partition(".")[0] for each in error.problems]
        problems = {name: visit.say(REMEDIES.get(name, REMEDIES["label"])) for name in wrong}
        return await _form(visit, given, problems)
    if added.secret:
        return await visit.render("operators/secret.html.j2", secret=added.secret)
    await visit.flash("Recipient %(number)s was entered.", number=added.recipient_id)
    return visit.redirect(f"{RECIPIENTS}/{added.recipient_id}")


def _offered(visit: Visit) -> list[dict[str, Any]]:
    return offered(visit, within=visit.actor.jurisdiction.within(visit.tools.atlas))


def _read(given: dict[str, Any]) -> Recipient:
    try:
        return Recipient.model_validate(given)
    except ValidationError as error:
        raise InvalidAlert(problems_of(error)) from None


async def end(visit: Visit) -> Answer:
    number = int(visit.path("number"))
    await stages.remove(visit.tools, visit.actor, number)
    await visit.flash("Recipient %(number)s is sent nothing any more.", number=number)
    return visit.redirect(f"{RECIPIENTS}/{number}")


async def erase(visit: Visit) -> Answer:
    number = int(visit.path("number"))
    await stages.erase(visit.tools, visit.actor, number)
    await visit.flash("Recipient %(number)s was erased.", number=number)
    return visit.redirect(RECIPIENTS)


PAGES: tuple[Page, ...] = (
    get(RECIPIENTS, recipients, May.RECIPIENTS),
    get("/recipients/new", new, May.RECIPIENTS),
    post("/recipients/new", add, May.RECIPIENTS),
    get("/recipients/{number}", recipient, May.RECIPIENTS),
    post("/recipients/{number}/end", end, May.RECIPIENTS),
    post("/recipients/{number}/erase", erase, May.RECIPIENTS),
)
