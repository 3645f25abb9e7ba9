"""Every page of the officials."""

from alertd.console.officials import (
    beginning,
    checking,
    deciding,
    formtemplates,
    pictures,
    running,
    submission,
)

# The more special path comes first: `/submit/{id}/check` is a step, too.
PAGES = (
    *beginning.PAGES,
    *formtemplates.PAGES,
    *checking.PAGES,
    *pictures.PAGES,
    *submission.PAGES,
    *running.PAGES,
    *deciding.PAGES,
)
