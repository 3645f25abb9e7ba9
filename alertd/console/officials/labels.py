"""What each field is called and how it explains itself; translated where it is shown."""

from collections.abc import Mapping

LABELS: Mapping[str, str] = {
    "children.name": "Name",
    "children.age": "Age in years",
    "children.birth_date": "or date of birth",
    "children.photo": "Photo",
    "children.sex": "Sex",
    "children.height_cm": "Height in cm",
    "children.build": "Build",
    "children.hair": "Hair",
    "children.eyes": "Eyes",
    "children.clothing": "Clothing",
    "children.distinguishing_marks": "Distinguishing marks",
    "children.health": "Health",
    "last_seen.at": "Last seen",
    "last_seen.place": "Where",
    "last_seen.coordinates": "Coordinates",
    "reported_at": "Reported to the authorities",
    "circumstances": "Circumstances",
    "abduction": "The child was taken by somebody",
    "companions.name": "Name of the companion",
    "companions.age": "Age of the companion",
    "companions.relation": "Relation to the child",
    "companions.sex": "Sex of the companion",
    "companions.height_cm": "Height of the companion in cm",
    "companions.build": "Build of the companion",
    "companions.hair": "Hair of the companion",
    "companions.eyes": "Eyes of the companion",
    "companions.clothing": "Clothing of the companion",
    "companions.distinguishing_marks": "Distinguishing marks of the companion",
    "companions.suspect": "Sought by the authorities",
    "vehicle.make": "Make and model",
    "vehicle.colour": "Colour",
    "vehicle.plate": "Number plate",
    "vehicle.country": "Country of the plate",
    "area.regions": "Who is told",
    "area.circle.centre": "Centre of a circle",
    "area.circle.radius_km": "Radius in km",
    "area.polygon": "Outline",
    "languages": "Languages",
    "expires_at": "In force until",
    "case_reference": "Case reference",
    "authority": "Authority",
    "kind": "Kind of alert",
    "criterion.met": "Answer",
    "criterion.reason": "Reason",
    "phone_lines.label": "Name of the line",
    "phone_lines.number": "Number",
    "not_a_duplicate_because": "Why this is another case",
}

HINTS: Mapping[str, str] = {
    "children.name": "As it shall be printed: first name, then surname or its initial.",
    "children.age": "Whole years. Under one year: 0.",
    "children.birth_date": "Never printed: the age is worked out from it.",
    "children.photo": "A face from the front, taken lately.",
    "children.sex": "By it the notice says girl or boy.",
    "children.height_cm": "Roughly is enough: 132.",
    "children.build": "Slim, average, strong.",
    "children.hair": "Colour and length.",
    "children.eyes": "Their colour: brown, green.",
    "children.clothing": "What the child wore when last seen, from the top down, with a bag.",
    "children.distinguishing_marks": "Glasses, a scar, braces. Leave empty where there are none.",
    "children.health": "Only what whoever meets the child has to know: needs insulin.",
    "last_seen.at": "Local time.",
    "last_seen.place": "Street or square, and the town.",
    "last_seen.coordinates": "Latitude, longitude: 37.9755, 23.7348. Leave empty if you have none.",
    "reported_at": "When the first call or report came in.",
    "circumstances": "Two or three sentences, for the public. Nothing that could endanger the "
    "child.",
    "abduction": "Where somebody is known or believed to have taken the child. Systems that "
    "read the alert are then told that it is an abduction.",
    "companions.name": "As it shall be printed.",
    "companions.relation": "Father, neighbour, nobody that the child knows.",
    "companions.age": "A guess will do: 40.",
    "companions.sex": "By it the notice says woman or man.",
    "companions.height_cm": "Roughly is enough: 175.",
    "companions.build": "Slim, average, strong.",
    "companions.hair": "Colour and length; a beard, if any.",
    "companions.eyes": "Their colour: brown, green.",
    "companions.clothing": "What this person wore when last seen, from the top down.",
    "companions.distinguishing_marks": "Glasses, a tattoo, a limp. Leave empty where there are "
    "none.",
    "companions.suspect": "Printed in the notice. Only where the authorities say so themselves.",
    "vehicle.make": "What is known of it is enough: a small van.",
    "vehicle.colour": "As anybody would call it: dark blue.",
    "vehicle.plate": "As it is written on the plate.",
    "vehicle.country": "Two letters: GR.",
    "area.regions": "Everybody who has chosen one of these regions, a part of it, or the whole "
    "country.",
    "area.circle.centre": "For maps only; recipients are chosen by region.",
    "area.circle.radius_km": "From the middle to the edge: 15.",
    "area.polygon": "For maps only: points as latitude,longitude, the first again at the end.",
    "languages": "Everything goes out in each of them.",
    "expires_at": "Local time. An update can prolong it.",
    "case_reference": "The only name by which lists and messages among officials call this case.",
    "authority": "Printed as “Issued by”.",
    "kind": "It decides which criteria are asked below.",
    "criterion.reason": "One sentence; it is kept with the alert.",
    "phone_lines.label": "Who answers there, as it shall be printed.",
    "phone_lines.number": "Where people call who have seen the child.",
    "not_a_duplicate_because": "Another alert seems to be about the same child or vehicle.",
}

STEPS: Mapping[str, str] = {
    "who": "Who is missing",
    "seen": "Last seen",
    "with": "With whom, vehicle",
    "area": "Area",
    "criteria": "Criteria",
    "check": "Check and send",
}

STATUSES: Mapping[str, str] = {
    "actual": "ACTUAL",
    "exercise": "EXERCISE",
    "test": "TEST",
}

CHOICES: Mapping[str, str] = {
    "female": "Female",
    "male": "Male",
    "other": "Other",
    "unknown": "Unknown",
}

CHANNELS: Mapping[str, str] = {
    "sms": "Text message",
    "email": "Mail",
    "webhook": "Partner systems",
    "feed": "Feeds and web page",
    "websub": "Feed subscribers",
}

TABS: Mapping[str, str] = {
    "sms": "SMS",
    "email": "Mail",
    "page": "Web page",
    "entry": "Feed",
    "cap": "CAP",
    "poster": "Poster",
    "webhook": "Partner systems",
    "websub": "Feed subscribers",
}

STATES: Mapping[str, str] = {
    "draft": "Draft",
    "submitted": "Waits for approval",
    "returned": "Returned for a change",
    "rejected": "Rejected",
    "active": "Live",
    "superseded": "Replaced by a newer version",
    "ended": "Ended",
    "cancelled": "Withdrawn by a correction",
    "expired": "Expired",
}

KINDS: Mapping[str, str] = {
    "alert": "Alert",
    "update": "Update",
    "end": "End",
    "correction": "Correction",
    "expiry": "Expiry",
}

REASONS: Mapping[str, str] = {
    "refused_connection": "The other side takes no connection",
    "timeout": "The other side does not answer in time",
    "dropped": "The connection broke",
    "dns": "The name of the other side is not found",
    "tls": "The other side's certificate is not valid",
    "throttled": "The other side asks to wait",
    "server_error": "The other side has a fault",
    "bad_answer": "The other side gives an answer that cannot be read",
    "redirect": "The other side points elsewhere",
    "address_invalid": "The address is wrong",
    "address_forbidden": "The address is not allowed here",
    "address_unreachable": "The number cannot be reached",
    "gone": "The address is no longer in use",
    "opted_out": "The recipient wants no more messages",
    "rejected": "The provider refused the message",
    "credentials": "Our access to the provider was refused",
    "webhook.credentials": "The partner refuses our access",
    "websub.credentials": "The subscriber refuses our access",
    "quota": "Our quota at the provider is used up",
    "expired": "It came too late to be of use",
    "lease_expired": "It is not known whether it was sent",
    "superseded": "A newer message took its place",
    "defect": "A fault of alertd",
}

ACTIONS: Mapping[str, str] = {
    "address_invalid": "Nothing now. An operator corrects the address after the alert.",
    "address_unreachable": "Nothing now: the phone is off or the number is dead.",
    "gone": "Nothing now. An operator removes the address after the alert.",
    "opted_out": "Nothing: it is their wish.",
    "expired": "Nothing: it would only confuse.",
    "superseded": "Nothing: the newer message goes out.",
    "credentials": "Call an operator: nothing on this channel goes out.",
    "webhook.credentials": "Call an operator: those counted here miss it; nobody else is held up.",
    "websub.credentials": "Call an operator: those counted here miss it; nobody else is held up.",
    "quota": "Call an operator: nothing on this channel goes out.",
    "defect": "Call an operator.",
}
OTHERWISE = "Call an operator: it can be tried again."
"""What to do about a failure whose reason has no line of its own above."""


def reason(channel: str, name: str) -> str:
    """Say why something failed; an endpoint's refusal is its own, a provider's its channel's."""
    return REASONS.get(f"{channel}.{name}", REASONS.get(name, name))


def action(channel: str, name: str) -> str:
    return ACTIONS.get(f"{channel}.{name}", ACTIONS.get(name, OTHERWISE))
