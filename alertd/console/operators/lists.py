"""What every long list shares: filters in the address, cursors, CSV that no spreadsheet runs."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from alertd.console.pages import Visit
from alertd.core.errors import InvalidAlert, Problem

PAGE = 50
_NUMBER = re.compile("-?[0-9]{1,18}", re.ASCII)  # a forgotten address has one below zero
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def link(path: str, wanted: Mapping[str, str], **more: str) -> str:
    """Give an address with the filters that are set."""
    said = {name: value for name, value in {**wanted, **more}.items() if value}
    return f"{path}?{urlencode(said)}" if said else path


def cursor(visit: Visit, name: str = "after") -> tuple[int, ...] | None:
    """Read where the page begins; raises InvalidAlert for what no page gave."""
    text = visit.query(name)
    if not text:
        return None
    parts = text.split(".")
    if len(parts) > 2 or not all(map(_NUMBER.fullmatch, parts)):
        raise InvalidAlert([Problem(name, "is not one that a page of this list gave")])
    return tuple(map(int, parts))


def spelled(place: tuple[int, ...] | None) -> str:
    return ".".join(map(str, place)) if place else ""


def csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Give rows of a CSV file; what a spreadsheet would take for a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([[harmless(str(cell)) for cell in row] for row in rows])
    return text.getvalue().encode()


def harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
