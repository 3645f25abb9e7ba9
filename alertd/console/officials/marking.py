"""What differs between two HTML documents, marked word by word in the newer one, for a look."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_TOKENS = re.compile(r"(?is)<(?:style|script|title)\b.*?</[^>]*>|<!--.*?-->|<[^>]*>|[^\s<]+\s*|\s+")
_IMAGE = re.compile(r"(?i)<img\b")
_ALT = re.compile(r'(?i)\balt="([^"]*)"')
# Where text may stand before a closing tag; elsewhere, as in a row, it would be moved out.
_MAY_END_TEXT = re.compile(r"(?i)</(?:a|body|dd|div|dt|figure|h[1-6]|li|main|p|section|t[dh])\b")
_STYLE = "<style>ins{background:#c9f7d0;color:#000}del{background:#ffd7d7;color:#000}</style>"


def mark(old: str, new: str) -> str:
    """Give `new` with what was put in as `ins` and what was taken out as `del`.

    Its own tags stay as they are, so that it looks as it will; those of `old` are left out.
    """
    found = _BODY.search(new)
    if found is None:
        return new
    begin = found.end()
    before = _BODY.split(old, maxsplit=1)[-1]
    marked = "".join(_marked(_TOKENS.findall(before), _TOKENS.findall(new[begin:])))
    for twice in ("</ins><ins>", "</del><del>"):
        marked = marked.replace(twice, "")
    return f"{new[:begin]}{_STYLE}{marked}"


def _marked(old: list[str], new: list[str]) -> Iterator[str]:
    matcher = SequenceMatcher(None, [*map(_key, old)], [*map(_key, new)], autojunk=False)
    gone: list[str] = []  # waits until text may stand there
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal":
            gone += [f"<del>{text}</del>" for text in map(_seen, old[i:j]) if text]
        for token in new[k:m]:
            if _seen(token) or (gone and _MAY_END_TEXT.match(token)):
                yield from gone
                gone.clear()
            yield f"<ins>{token}</ins>" if tag != "equal" and _seen(token) else token
    yield from gone


def _key(token: str) -> str:
    return token.strip() or " "


def _seen(token: str) -> str:
    """Give what is read of a token: a word, or what tells of a picture; nothing of other tags."""
    if not token.startswith("<"):
        return token if token.strip() else ""
    if not _IMAGE.match(token):
        return ""
    alt = _ALT.search(token)
    return f"[{alt[1] if alt else ''}]"
