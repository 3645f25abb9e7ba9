"""The sections in the top bar, each for whoever may do any of what stands beside it."""

from collections.abc import Sequence

from alertd.console.permissions import May
from alertd.console.rendering import N_

SECTIONS: Sequence[tuple[str, frozenset[May], str]] = (
    ("/alerts", frozenset({May.SEE_ALERTS}), N_("Alerts")),
    ("/board", frozenset({May.BOARD}), N_("Board")),
    ("/audit", frozenset({May.AUDIT}), N_("Audit")),
    ("/people", frozenset({May.ADMINISTER}), N_("People")),
)
