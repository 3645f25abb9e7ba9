"""A document as XML."""

from datetime import datetime
from decimal import Decimal

from lxml import etree

from alertd.core.cap.model import NAMESPACE, NESTED, REPEATED, Alert, Circle, Element
from alertd.core.cap.values import date_time, number, write_point
from alertd.core.rendition import Slot, mark

__all__ = ["date_time", "to_xml"]


def to_xml(alert: Alert) -> bytes:
    """Give the document as UTF-8; a slot's marker stands in its element's text."""
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _append_fields(root, alert)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _append_fields(parent: etree._Element, element: Element) -> None:
    for name, field in type(element).model_fields.items():
        value = getattr(element, name)
        several = name in REPEATED.get(type(element), ())
        for one in value if several else (value,):
            if one is not None:
                _append(parent, field.alias or name, one)


def _append(parent: etree._Element, tag: str, value: object) -> None:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}")
    if isinstance(value, Element) and tag in NESTED:
        _append_fields(child, value)
    else:
        child.text = _text(value)


def _text(value: object) -> str:
    match value:
        case Slot():
            return mark(value)
        case datetime():
            return date_time(value)
        case Circle():
            return f"{write_point(value.centre)} {number(value.radius_km)}"
        case Decimal():
            return f"{value:f}"
        case tuple():
            return " ".join(write_point(point) for point in value)
        case _:
            return str(value)
