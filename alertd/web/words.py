# ruff: noqa: RUF001 - Greek letters that look like Latin ones
"""The few words of the public pages."""

from collections.abc import Mapping

from alertd.core.language import best_language

Words = Mapping[str, str]

_WORDS: Mapping[str, Words] = {
    "el": {
        "feed": "Ειδοποιήσεις για αγνοούμενα παιδιά",
        "exercise_feed": "ΑΣΚΗΣΗ: ειδοποιήσεις για αγνοούμενα παιδιά",
        "title": "Η εγγραφή σας στις ειδοποιήσεις",
        "channel": "Μέσο",
        "channel.sms": "Μήνυμα SMS",
        "channel.email": "Ηλεκτρονικό ταχυδρομείο",
        "channel.webhook": "Σύστημα συνεργάτη (webhook)",
        "address": "Διεύθυνση",
        "regions": "Περιοχές",
        "since": "Από",
        "exercises": "Μόνο ασκήσεις και δοκιμές.",
        "end": "Διαγραφή από τις ειδοποιήσεις",
        "ended": "Η εγγραφή έχει λήξει. Δεν θα λάβετε άλλες ειδοποιήσεις.",
    },
    "en": {
        "feed": "Child alerts",
        "exercise_feed": "EXERCISE: child alerts",
        "title": "Your subscription to alerts",
        "channel": "Medium",
        "channel.sms": "Text message (SMS)",
        "channel.email": "Mail",
        "channel.webhook": "Partner system (webhook)",
        "address": "Address",
        "regions": "Regions",
        "since": "Since",
        "exercises": "Exercises and tests only.",
        "end": "End the subscription",
        "ended": "The subscription has ended. You will get no more alerts.",
    },
}
_LANGUAGES = ("en", *(language for language in _WORDS if language != "en"))


def words(language: str | None) -> Words:
    """Give the words of `language`, or of the nearest that there is; else English."""
    return _WORDS[best_language(language or "en", _LANGUAGES)]
