"""What an entity needs to send an alert on by cell broadcast, as CAP parameters."""

from alertd.core import cap
from alertd.core.gsm import size
from alertd.core.ruleset import CellBroadcast
from alertd.pipeline.capfacts import parameters

# 15 pages (3GPP TS 23.041): 93 septets of GSM-7, or 41 units of UCS-2, each.
LONGEST = {"gsm7": 1395, "ucs2": 615}


def broadcast_parameters(
    rules: CellBroadcast, status: str, texts: tuple[str, str, str], *, first: bool
) -> tuple[cap.Named, ...]:
    """Give identifier and text in one language, of its headline, description and instruction.

    Phones show the first language to all, further ones to those who chose them.
    """
    message_id = rules.identifiers(status)[0 if first else 1]
    return parameters({"cell_broadcast": {"message_id": message_id, "text": fitted(*texts)}})


def fitted(headline: str, description: str, instruction: str) -> str:
    """Give all of it if it fits, else less of the description: what to do must be read."""
    for said in _shorter(description):
        text = "\n".join(part for part in (headline, said, instruction) if part)
        if fits(text):
            return text
    return next(text for text in _shorter(f"{headline}\n{instruction}") if fits(text))


def fits(text: str) -> bool:
    alphabet, used = size(text)
    return used <= LONGEST[alphabet]


def _shorter(text: str) -> list[str]:
    """Give the text and all its beginnings that end with a word, the longest first, then none."""
    words = text.split(" ")
    cut = [" ".join(words[:count]).rstrip(" ,;-") + "..." for count in range(len(words) - 1, 0, -1)]
    return [text, *cut, ""]
