"""The sample alert and who is told of it: all fictional, all an exercise."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

PROGRAMME = "amber-alert-hellas"
CRITERIA = (
    "minor",
    "disappearance_or_abduction",
    "immediate_danger",
    "enough_information",
    "no_added_risk",
)
REGIONS = ("GR-I", "GR-B", "GR-M", "GR-A")  # Attica, Central Macedonia, Crete, East Macedonia
CITIZENS, NEWSROOMS, PARTNERS = 36, 18, 6
COLUMNS = (
    "label",
    "class",
    "channel",
    "address",
    "language",
    "regions",
    "exercise",
    "consent",
    "consent_at",
)


@dataclass(frozen=True, slots=True)
class Official:
    """A fictional person with a role."""

    name: str
    role: str
    sms: str
    email: str
    reference: str = ""  # what this person's approval rests on


SUBMITTER = Official("Example Duty Officer", "submitter", "+306900000090", "duty@example.org")
APPROVERS = (
    Official("Example Police Officer", "police", "+306900000091", "police@example.org", "EX-P-1"),
    Official(
        "Example Prosecutor", "prosecutor", "+306900000092", "prosecutor@example.org", "EX-O-1"
    ),
    Official("Example Activator", "activation", "+306900000093", "ngo@example.org", "EX-A-1"),
)


CHILD = {
    "name": "Μαρία Παραδειγματίδου",
    "age": 9,
    "sex": "female",
    "height_cm": 132,
    "build": "λεπτή / slim",
    "hair": "καστανά, μακριά / brown, long",
    "eyes": "καστανά / brown",
    "clothing": "κόκκινο μπουφάν, τζιν / red jacket, blue jeans",
}
VEHICLE = {"make": "Example", "colour": "λευκό / white", "plate": "XXX-0000", "country": "GR"}
PLACE = "Πλατεία Παραδείγματος, Αθήνα / Example Square, Athens"
POINT = [37.9755, 23.7348]
CIRCUMSTANCES = (
    "Φανταστικό περιστατικό άσκησης: το παιδί δεν επέστρεψε από το σχολείο. / "
    "Fictional exercise: the child did not come home from school."
)


def alert(now: datetime) -> dict[str, Any]:
    """Give the facts of an exercise that is valid for the twelve hours after `now`."""
    now = now.replace(microsecond=0)
    seen_at = (now - timedelta(hours=2)).isoformat()
    return {
        "programme": PROGRAMME,
        "kind": "amber",
        "status": "exercise",
        "case_reference": f"EXERCISE-{now:%Y%m%d-%H%M%S}",
        "authority": "Example Police Directorate (fictional)",
        "reported_at": (now - timedelta(minutes=40)).isoformat(),
        "children": [CHILD],
        "vehicle": VEHICLE,
        "last_seen": {"at": seen_at, "place": PLACE, "coordinates": POINT},
        "circumstances": CIRCUMSTANCES,
        "area": {"regions": ["GR-I", "GR-B"], "circle": {"centre": POINT, "radius_km": 25}},
        "languages": ["el", "en"],
        "expires_at": (now + timedelta(hours=12)).isoformat(),
        "phone_lines": [{"label": "Example line (fictional)", "number": "+30 690 000 0000"}],
        "criteria": [
            {"criterion": name, "met": True, "reason": "Fictional reason, for the exercise."}
            for name in CRITERIA
        ],
    }


def recipients_csv(webhook_url: str, since: datetime) -> str:
    """Give the recipients as the file that an operator would import."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in _recipients(webhook_url):
        writer.writerow([*row, "yes", "example form 1", since.date().isoformat()])
    return text.getvalue()


def expected(webhook_url: str) -> dict[str, set[str]]:
    """Give by channel every address that the sample alert has to reach."""
    found: dict[str, set[str]] = {}
    for _, _, channel, address, _, _ in _recipients(webhook_url):
        found.setdefault(channel, set()).add(address)
    return found


def _recipients(webhook_url: str) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Give label, class, channel, address, language and regions of each."""
    for number in range(CITIZENS):
        region, language = REGIONS[number % 2], ("el", "en")[number % 3 == 0]
        yield (
            f"Example citizen {number + 1}",
            "citizen",
            "sms",
            f"+30690000{number:04d}",
            language,
            region,
        )
    for number in range(NEWSROOMS):
        yield (
            f"Example newsroom {number + 1}",
            "newsroom",
            "email",
            f"newsroom{number + 1}@example.org",
            ("el", "en")[number % 2],
            "GR",
        )
    for number in range(PARTNERS):
        yield (
            f"Example partner {number + 1}",
            "partner",
            "webhook",
            f"{webhook_url}/{number + 1}",
            ("el", "en")[number % 2],
            "GR",
        )
    for language in ("el", "en"):
        yield (
            f"Exercise feed ({language})",
            "feed",
            "feed",
            f"exercise/{language}",
            language,
            "GR",
        )
