"""The nearest language that is offered."""

import pytest

from alertd.core.language import asked_for, best_language


@pytest.mark.parametrize(
    ("wanted", "offered", "best"),
    [
        ("el", ("en", "el"), "el"),
        ("el-CY", ("en", "el"), "el"),
        ("EL-cy", ("en", "el-CY", "el"), "el-CY"),
        ("sr-Latn-RS", ("en", "sr", "sr-Latn"), "sr-Latn"),
        ("el", ("en", "el-GR"), "el-GR"),
        ("de", ("el", "en"), "el"),
        ("eles", ("en", "el"), "en"),
    ],
)
def test_language_falls_back_to_parent_then_sibling_then_first(
    wanted: str, offered: tuple[str, ...], best: str
) -> None:
    assert best_language(wanted, offered) == best


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("de, en-GB;q=0.8, el;q=0.5", "en"),
        ("fr, el-CY", "el"),
        ("fr, de", None),
        ("", None),
        (",;q=1", None),
    ],
)
def test_the_first_language_of_a_header_that_is_offered_is_given(
    header: str, found: str | None
) -> None:
    assert asked_for(header, ("el", "en")) == found
