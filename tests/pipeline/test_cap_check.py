"""CAP documents are held to the standard before anybody is asked to approve them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alertd.core.errors import InvalidAlert
from alertd.store.schema import alerts
from alertd.templating import Templates
from tests.pipeline.conftest import Office
from tests.pipeline.rendering import write


def under(office: Office, templates: Path) -> Office:
    """Give the office with templates of an operator's own."""
    renderer = replace(office.tools.renderer, templates=Templates(templates))
    return replace(office, tools=replace(office.tools, renderer=renderer))


async def test_broken_cap_of_an_operators_template_is_refused_before_approval(
    office: Office, tmp_path: Path
) -> None:
    write(tmp_path, "cap/update/headline.txt.j2", "{{ prefix }}{{ area }}")
    write(tmp_path, "cap/end/headline.txt.j2", "{{ prefix }}<b>{{ area }}</b>")
    write(tmp_path, "cap/expiry/description.txt.j2", "{{ prefix }}<b>{{ area }}</b>")
    with pytest.raises(InvalidAlert) as refused:
        await under(office, tmp_path).submit()
    found = {problem.field: problem.message for problem in refused.value.problems}
    assert {"cap/end/info[1]/headline", "cap/expiry/info[2]/description"} <= {*found}
    assert not [field for field in found if field.startswith(("cap/alert", "cap/update"))]
    message = found["cap/end/info[1]/headline"]
    assert message.startswith("would break CAP 1.2 (3.3.3): headline holds markup")
    assert await office.rows(alerts.select()) == []


async def test_what_a_hub_would_rather_see_keeps_nobody_from_submitting(
    office: Office, tmp_path: Path
) -> None:
    write(tmp_path, "cap/end/headline.txt.j2", "{{ prefix }}" + "word " * 27)
    assert await under(office, tmp_path).submit()
