"""Every page of the officials."""

from alertd.console.officials import checking, deciding, pictures, running, submission

# The more special path comes first: `/submit/{id}/check` is a step, too.
PAGES = (*checking.PAGES, *pictures.PAGES, *submission.PAGES, *running.PAGES, *deciding.PAGES)
