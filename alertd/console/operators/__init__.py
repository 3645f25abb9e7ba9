"""The operators' pages: board, dispatch log, dead letters, recipients, audit, report."""

from collections.abc import Sequence

from alertd.console.operators import audit, board, letters, log, recipients, release, report
from alertd.console.pages import Page

PAGES: Sequence[Page] = (
    *board.PAGES,
    *log.PAGES,
    *letters.PAGES,
    *recipients.PAGES,
    *audit.PAGES,
    *report.PAGES,
    *release.PAGES,
)
