"""Plots as SVG, drawn by hand: bars against a floor, and curves over a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

WIDTH, LEFT, BAR, GAP = 760, 250, 16, 8
_COLOURS = ("#3465a4", "#4e9a06", "#c17d11", "#75507b", "#cc0000", "#555753")
_STYLE = "font:12px sans-serif"


def bars(title: str, rows: Sequence[tuple[str, float, float | None]]) -> str:
    """Draw a bar per row, with a red line where its floor is."""
    most = max([value for _, value, _ in rows] + [floor or 0 for *_, floor in rows]) * 1.1
    scale = (WIDTH - LEFT - 60) / most
    parts = [_text(0, 16, title, weight="bold")]
    for n, (name, value, floor) in enumerate(rows):
        y = 30 + n * (BAR + GAP)
        parts.append(_text(LEFT - 8, y + 12, name, anchor="end"))
        parts.append(_box(LEFT, y, value * scale, BAR, _COLOURS[0]))
        parts.append(_text(LEFT + value * scale + 5, y + 12, f"{value:.2f}"))
        if floor is not None:
            parts.append(_box(LEFT + floor * scale - 1, y - 2, 2, BAR + 4, "#cc0000"))
    return _svg(parts, 40 + len(rows) * (BAR + GAP))


def stacked(title: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Draw what each row is made of, in the same unit for all."""
    names = list(dict.fromkeys(name for _, made in rows for name in made))
    scale = (WIDTH - LEFT - 20) / max(sum(made.values()) for _, made in rows)
    parts = [_text(0, 16, title, weight="bold")]
    for n, name in enumerate(names):
        parts.append(_box(LEFT + n * 85, 24, 10, 10, _COLOURS[n % len(_COLOURS)]))
        parts.append(_text(LEFT + 14 + n * 85, 33, name))
    for n, (row, made) in enumerate(rows):
        x, y = float(LEFT), 44 + n * (BAR + GAP)
        parts.append(_text(LEFT - 8, y + 12, row, anchor="end"))
        for name, value in made.items():
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            parts.append(_box(x, y, value * scale, BAR, colour))
            x += value * scale
    return _svg(parts, 54 + len(rows) * (BAR + GAP))


def curves(title: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw lines over a logarithmic x axis; y begins at nothing."""
    height, bottom = 220, 190
    points = [point for line in lines.values() for point in line]
    low, high = log10(min(x for x, _ in points)), log10(max(x for x, _ in points))
    most = max(y for _, y in points) * 1.15

    def place(x: float, y: float) -> tuple[float, float]:
        share = (log10(x) - low) / ((high - low) or 1)
        return 60 + share * (WIDTH - 220), bottom - y / most * (bottom - 40)

    parts = [_text(0, 16, title, weight="bold"), _box(60, bottom, WIDTH - 220, 1, "#888")]
    parts += [
        _text(place(x, 0)[0], bottom + 16, f"{x:,.0f}", anchor="middle")
        for x in sorted({x for x, _ in points})
    ]
    for n, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in (place(x, y) for x, y in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in line:
            a, b = place(x, y)
            parts.append(_text(a, b - 6, f"{y:.3g}", anchor="middle"))
        parts.append(_text(WIDTH - 150, 40 + n * 18, name, colour=colour))
    return _svg(parts, height)


def _svg(parts: Sequence[str], height: float) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" style="{_STYLE}">'
    )
    return "\n".join([head, _box(0, 0, WIDTH, height, "#ffffff"), *parts, "</svg>", ""])


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    weight: str = "normal",
    colour: str = "#222",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
