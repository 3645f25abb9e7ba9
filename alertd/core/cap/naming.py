"""What the messages about one version are called."""

from alertd.core.rendition import Kind

_SUFFIX = {Kind.END: ".end", Kind.CORRECTION: ".correction", Kind.EXPIRY: ".expired"}


def message_identifier(version: str, kind: Kind) -> str:
    """Give the identifier of a message about the version whose own identifier is `version`.

    It says nothing of why an alert ended: identifiers stand in URLs, logs and feeds for good.
    """
    return version + _SUFFIX.get(kind, "")
