"""What the console calls things, in words that their readers know."""

from zoneinfo import ZoneInfo

import pytest

from alertd.console.naming import device_name
from alertd.console.rendering import Rendering

MOZILLA = "Mozilla/5.0"
KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Macintosh; Intel Mac OS X 10_15_7"
AGENTS = {
    f"{MOZILLA} (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0": "Firefox on Android",
    f"{MOZILLA} (Linux; Android 10; K) {KHTML} Chrome/128.0 Safari/537.36": "Chrome on Android",
    f"{MOZILLA} (Windows NT 10.0; Win64; x64) {KHTML} Chrome/128.0 Safari/537.36 Edg/128.0": (
        "Edge on Windows"
    ),
    f"{MOZILLA} (iPhone; CPU iPhone OS 17_5 like Mac OS X) {KHTML} Version/17.5 Safari/604.1": (
        "Safari on iPhone"
    ),
    f"{MOZILLA} ({MAC}) {KHTML} Version/17.5 Safari/605.1.15": "Safari on Mac",
    "curl/8.5.0": "curl/8.5.0",
    "": "A browser that does not say what it is",
}


@pytest.fixture(scope="module")
def rendering() -> Rendering:
    return Rendering(ZoneInfo("Europe/Athens"))


@pytest.mark.parametrize(("agent", "name"), AGENTS.items())
def test_a_session_is_named_by_browser_and_device(
    rendering: Rendering, agent: str, name: str
) -> None:
    assert device_name(rendering.words("en"), agent) == name


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "Send to 1 person in Attica"), (2000, "Send to 2,000 people in Attica")],
)
def test_how_many_are_told_is_said_in_the_right_number(
    rendering: Rendering, number: int, said: str
) -> None:
    words = rendering.words("en")
    one, many = "Send to %(n)s person in %(area)s", "Send to %(n)s people in %(area)s"
    assert words.ngettext(one, many, number, area="Attica") == said


def test_a_zone_is_named_by_its_city_which_holds_in_summer_too(rendering: Rendering) -> None:
    assert rendering.words("el").zone_name == "Αθήνα"
    assert rendering.words("en").zone_name == "Athens"
