"""Single values as CAP writes them: instants, points, circles, numbers."""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation

Point = tuple[float, float]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
DECIMALS = 6  # of a degree: a tenth of a metre


def date_time(at: datetime) -> str:
    """Give CAP's dateTime: whole seconds and a numeric offset; UTC is `-00:00` (CAP 3.3.2)."""
    text = at.isoformat(timespec="seconds")
    return f"{text[:-6]}-00:00" if text.endswith("+00:00") else text


def moment(text: str) -> datetime | None:
    """Read a dateTime; None when it is none: `Z`, fractions and a lacking offset are refused."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # the shape of a date, but no such day or hour
        return None


def number(value: float) -> str:
    """Give at most six decimals, never an exponent."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def read_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def decimal(text: str) -> Decimal | None:
    """Read an xs:decimal: no exponent, no infinity."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def point(text: str) -> Point | None:
    """Read `lat,lon` in WGS 84, within the bounds of the earth."""
    latitude, comma, longitude = text.partition(",")
    pair = read_number(latitude), read_number(longitude)
    if not comma or pair[0] is None or pair[1] is None:
        return None
    found = (pair[0], pair[1])
    return found if -90 <= found[0] <= 90 and -180 <= found[1] <= 180 else None


def points(text: str) -> tuple[Point, ...] | None:
    """Read a polygon's `lat,lon lat,lon ...`."""
    read = [point(each) for each in text.split()]
    found = [each for each in read if each is not None]
    return tuple(found) if found and len(found) == len(read) else None


def circle(text: str) -> tuple[Point, float] | None:
    """Read a circle's `lat,lon radius`, the radius in kilometres."""
    centre, _, rest = text.strip().partition(" ")
    middle, radius = point(centre), read_number(rest.strip())
    return (middle, radius) if middle is not None and radius is not None and radius >= 0 else None


def write_point(at: Point) -> str:
    return f"{number(at[0])},{number(at[1])}"
