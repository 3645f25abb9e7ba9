"""What went wrong, in the reader's words, with the way out."""

from http import HTTPStatus
from typing import Any

from alertd.console.guard import Forged
from alertd.console.rendering import N_, Words
from alertd.core.errors import InvalidAlert, NotAllowed, NotFound, Refused
from alertd.templating import SOURCE_LANGUAGE
from alertd.web.problems import TooLarge, kind_of

_TEXTS = {
    HTTPStatus.FORBIDDEN: (
        N_("This is not open to you"),
        N_("If it should be, ask an administrator for the role."),
    ),
    HTTPStatus.NOT_FOUND: (
        N_("There is no such page"),
        N_("Check the address, or begin at the start page."),
    ),
    HTTPStatus.CONFLICT: (
        N_("Something has changed meanwhile"),
        N_("Nothing was done. Go back and look at it as it is now."),
    ),
    HTTPStatus.GONE: (N_("It is no longer there"), ""),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        N_("alertd is busy"),
        N_("Nothing was done. Try again in a few seconds."),
    ),
    HTTPStatus.INSUFFICIENT_STORAGE: (
        N_("The disk is full"),
        N_("Nothing was done. Call the operator."),
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        N_("This did not work, and the fault is ours"),
        N_("It is on record. Go back and look whether it was done before you try again."),
    ),
}
_FORGED = (
    N_("This form is no longer valid"),
    N_("Nothing was done. Open the page again and repeat what you did."),
)
_SAID = (Forged, NotAllowed, NotFound, TooLarge)  # by their heading
_LARGE = (N_("That is too large"), N_("Nothing was done. Choose a smaller file."))
_OTHER = (N_("This cannot be done as it is"), N_("Nothing was done. Go back and change it."))


def _told(words: Words, message: str) -> str:
    """Give a refusal's own words; nothing where the reader's language has none for them."""
    told = words.say(message)
    if told == message and words.language != SOURCE_LANGUAGE:
        return ""
    return told[:1].upper() + told[1:]


def explain(words: Words, error: Exception) -> dict[str, Any]:
    """Give heading, way out and details for the page of an error."""
    if isinstance(error, Forged):
        heading, way_out = _FORGED
    elif isinstance(error, TooLarge):
        heading, way_out = _LARGE
    else:
        heading, way_out = _TEXTS.get(kind_of(error).status, _OTHER)
    details = []
    if isinstance(error, InvalidAlert):
        details = [f"{problem.field}: {problem.message}" for problem in error.problems]
    elif isinstance(error, Refused) and not isinstance(error, _SAID):
        details = list(filter(None, [_told(words, str(error))]))
    return {
        "heading": words.say(heading),
        "way_out": words.say(way_out) if way_out else "",
        "details": details,
    }
