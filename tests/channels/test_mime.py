"""Mail as bytes: whatever text and values come, a reader gets them back whole."""

import email
import email.policy
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from alertd import mime
from alertd.core.rendition import Slot, fill_some, mark, split

LETTERS = st.characters(exclude_characters="\ue000\ue001", exclude_categories=("Cs", "Cc"))
LINES = st.lists(st.text(LETTERS, max_size=200), max_size=6)
VALUES = st.text(LETTERS, max_size=200)


def read(content: bytes) -> EmailMessage:
    """Read a mail as a server hands it on: dots unstuffed."""
    return email.message_from_bytes(
        content.replace(b"\r\n..", b"\r\n."), policy=email.policy.default
    )


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


@given(LINES, LINES, VALUES, VALUES)
def test_a_body_survives_with_its_slots_filled_at_both_times(before, after, link, sent):
    text = (
        "\n".join(before) + f" <{mark(Slot.OWN_LINK)}|{mark(Slot.SENT_TEXT)}> " + "\n".join(after)
    )
    headers = [("To", mark(Slot.ADDRESS)), ("", mark(Slot.THREAD))]
    body = mime.alternatives(headers, text, text)
    approved = fill_some(body, {Slot.SENT_TEXT: sent.replace("=", "-").encode()})
    values = {Slot.OWN_LINK: link, Slot.ADDRESS: "someone@example.org", Slot.THREAD: ""}
    content = mime.filled(mime.pieces(split(approved)), values)
    assert content.isascii()
    assert max(map(len, content.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    plain, _ = read(content).iter_parts()
    wanted = text.replace(mark(Slot.OWN_LINK), link).replace(
        mark(Slot.SENT_TEXT), sent.replace("=", "-")
    )
    assert lines(plain.get_content()) == lines(wanted)


@given(st.text(max_size=300))
def test_no_text_breaks_out_of_its_header(text):
    written = mime.header("Subject", text)
    assert written.isascii()
    assert all(line[:1] in {" ", "\t"} for line in written.split("\r\n")[1:])
    assert "\n" not in written.replace("\r\n", "")
    message = read(f"Subject: {written}\r\n\r\n".encode())
    assert list(message) == ["Subject"]
