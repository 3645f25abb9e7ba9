"""The colours of the console, computed from its style: text 7:1, what is operated 3:1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

import pytest

CSS = "\n".join(
    file.read_text(encoding="utf-8")
    for file in sorted(resources.files("alertd.console").joinpath("static").iterdir(), key=str)
    if file.name.endswith(".css")
)
TEXT = ("ink", "quiet", "accent", "actual", "ok", "waiting", "failed")
GROUNDS = ("paper", "soft")
EDGES = ("line", "focus", "bar-sent", "bar-delivered", "bar-failed")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COLOUR = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{3})\b|var\(--([a-z-]+)\)")


def tokens(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


LIGHT = tokens(CSS.partition(":root {")[2].partition("}")[0])
DARK = LIGHT | tokens(CSS.partition("prefers-color-scheme: dark")[2].partition("}")[0])
SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: str) -> float:
    """Give the relative luminance as WCAG defines it."""
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def pairs(scheme: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Give selector, text and ground of every rule that sets both."""
    for selector, body in _RULE.findall(CSS):
        said = dict(re.findall(r"(?:^|;)\s*(color|background(?:-color)?):\s*([^;]+)", body))
        ground = said.get("background", said.get("background-color", ""))
        found = [_COLOUR.search(value) for value in (said.get("color", ""), ground)]
        if None in found or "@media print" in selector:
            continue
        text, under = (scheme.get(m[1], "") if m[1] else m[0] for m in found if m)
        yield selector.strip(), text, under


def test_contrast_is_counted_as_wcag_does() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def weaker(scheme: Mapping[str, str], colours: Sequence[str], least: float) -> dict[str, float]:
    """Give which of these do not stand out enough from a ground, and how much they do."""
    found = {
        f"{name} on {ground}": contrast(scheme[name], scheme[ground])
        for name in colours
        for ground in GROUNDS
    }
    return {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < least}


@SCHEMES
def test_every_colour_of_text_stands_out_from_every_ground(scheme: dict[str, str]) -> None:
    assert weaker(scheme, TEXT, 7) == {}


@SCHEMES
def test_every_rule_with_a_ground_of_its_own_stays_legible(scheme: dict[str, str]) -> None:
    found = list(pairs(scheme))
    assert len(found) > 5
    weak = [
        (selector, round(contrast(text, ground), 2))
        for selector, text, ground in found
        if contrast(text, ground) < 7
    ]
    assert weak == []


@SCHEMES
def test_edges_rings_and_bars_stand_out_from_what_is_beside_them(scheme: dict[str, str]) -> None:
    assert weaker(scheme, EDGES, 3) == {}
