"""Templates and catalogues: the shipped ones are whole, an operator's are held to the same."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from alertd.core.errors import ConfigError
from alertd.core.gsm import fit_greek
from alertd.core.rendition import Rendition
from alertd.resources import home
from alertd.templating import Templates
from tests.factories import child_facts, make_alert
from tests.pipeline.rendering import (
    PlainChannel,
    make_renderer,
    make_subject,
    make_update,
    shipped_templates,
    text,
    texts_of,
    to_officials,
    write,
)

SHIPPED = home("templates")
PYTHON = [Path(__file__).parents[2] / "alertd" / name for name in ("pipeline", "publishing", "web")]
OPTIONS = {"**.j2": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def shipped(name: str) -> str:
    return (SHIPPED / name).read_text(encoding="utf-8")


def catalogue(language: str) -> Catalog:
    with (SHIPPED / "locale" / language / "LC_MESSAGES" / "alertd.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


def used_messages() -> set[tuple[str | None, str]]:
    """Give context and text of every message that templates and code ask for.

    The console's words stand in catalogues of their own: tests/console/test_words.py.
    """
    folders = [folder for folder in SHIPPED.iterdir() if folder.name not in {"console", "locale"}]
    found = [
        *(
            message
            for folder in folders
            for message in extract_from_dir(folder, [("**.j2", "jinja2")], OPTIONS)
        ),
        *(found for folder in PYTHON for found in extract_from_dir(folder, [("**.py", "python")])),
    ]
    return {(context, ids if isinstance(ids, str) else ids[0]) for *_, ids, _, context in found}


def everything(**changes: object) -> Iterator[Rendition]:
    renderer = make_renderer()
    alert = make_alert(**changes)
    yield from renderer.version(make_subject(alert=alert))
    yield from renderer.version(make_update(changes, changes | {"circumstances": "Άλλα."}))
    yield from to_officials(renderer)


# --- the catalogues


def test_every_message_is_translated_into_greek_and_nothing_is_left_over() -> None:
    greek = {
        (m.context, m.id if isinstance(m.id, str) else m.id[0]): m for m in catalogue("el") if m.id
    }
    assert set(greek) == used_messages()
    for message in greek.values():
        strings = [message.string] if isinstance(message.string, str) else message.string
        assert all(strings)
        assert not message.fuzzy


def test_no_translation_asks_for_what_its_message_does_not_have() -> None:
    height = {"metres", "centimetres"}  # every language takes the unit it speaks in
    for message in catalogue("el"):
        ids = [message.id] if isinstance(message.id, str) else message.id
        strings = [message.string] if isinstance(message.string, str) else message.string
        given = {name for each in ids for name in PLACEHOLDER.findall(each)}
        used = {name for each in strings for name in PLACEHOLDER.findall(each)}
        assert used == given or (given | used == height), message.id


def test_no_english_leaks_into_greek() -> None:
    greek_facts = {
        "children": [
            child_facts(build="λεπτή", hair="καστανά", eyes="καστανά", clothing="κόκκινο μπουφάν")
        ],
        "vehicle": {"make": "Παράδειγμα", "colour": "λευκό", "plate": "ΧΧΧ-0000", "country": "GR"},
        "last_seen": {"at": "2026-11-24T00:00:00+00:00", "place": "Πλατεία Παραδείγματος"},
        "circumstances": "Φανταστικό παράδειγμα.",
        "authority": "Αρχή Παραδείγματος",
        "phone_lines": [{"label": "Γραμμή παραδείγματος", "number": "+30 690 000 0000"}],
    }
    # What may be Latin: titles of the rule set, names, addresses, slots.
    allowed = {
        "AMBER",
        "Alert",
        "el",
        "Example",
        "programme",
        "Police",
        "EX",
        "sent_text",
        "own_link",
    }
    for rendition in everything(**greek_facts):
        if rendition.language == "el" and rendition.channel != "sms":
            for part in texts_of(rendition):
                seen = re.sub(r"(?s)<style>.*?</style>|<[^>]*>|https://\S+", " ", part)
                words = set(re.findall(r"[A-Za-z_]{2,}", seen))
                assert words <= allowed, (rendition.key, words - allowed)


def test_greek_sms_holds_no_small_greek_letter_and_no_english_word() -> None:
    for rendition in everything(status="actual"):
        if rendition.language == "el" and rendition.channel == "sms":
            body = rendition.body.decode()
            assert fit_greek(body) == body
            assert not re.search(r"\b(the|is|Call|Case|alert has)\b", body)


def test_operators_words_come_before_ours_and_ours_fill_the_gaps(tmp_path: Path) -> None:
    po = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    write(
        tmp_path,
        "locale/el/LC_MESSAGES/alertd.po",
        po + 'msgid "unknown"\nmsgstr "δεν είναι γνωστό"\n',
    )
    renderer = make_renderer(templates=Templates(tmp_path))
    alert = make_alert(children=[child_facts(clothing="unknown")])
    body = text(renderer.version(make_subject(alert=alert)), "alert", "", "email", "el")
    assert "Ρούχα: δεν είναι γνωστό" in body


def test_regional_catalogue_falls_back_to_its_language(tmp_path: Path) -> None:
    templates = Templates(tmp_path)
    words = templates.catalogue("el-CY")
    assert words.gettext.gettext("unknown") == "άγνωστο"
    assert words.locale.territory == "CY"


def test_language_without_a_catalogue_is_refused() -> None:
    with pytest.raises(ConfigError, match="no catalogue for de"):
        shipped_templates().catalogue("de")


def test_broken_catalogue_is_named(tmp_path: Path) -> None:
    write(tmp_path, "locale/el/LC_MESSAGES/alertd.po", "no catalogue at all\n")
    with pytest.raises(ConfigError, match=r"alertd\.po"):
        Templates(tmp_path)


# --- the sandbox


ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ children.append(1) }}",
    "{{ labels.update({'x': 1}) }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ self.__init__ }}",
    "{{ ('%s' | attr('format')) .__globals__ }}",
    "{{ '{0.__class__}'.format(1) }}{{ undefined_name }}",
    "{{ gettext.__globals__ }}",
    "{% include '../../etc/passwd' %}",
    "{% include '/etc/passwd' %}",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_template_cannot_leave_its_sandbox(tmp_path: Path, escape: str) -> None:
    write(tmp_path, "sms/alert/text.txt.j2", "{{ prefix }}" + escape)
    renderer = make_renderer(templates=Templates(tmp_path))
    with pytest.raises(ConfigError):
        renderer.version(make_subject())


def test_templates_see_plain_values_and_no_models(tmp_path: Path) -> None:
    renderer = make_renderer()
    renderer.version(make_subject())
    plain = (str, int, float, bool, type(None))

    def check(value: object) -> None:
        if isinstance(value, dict):
            for each in value.values():
                check(each)
        elif isinstance(value, list | tuple):
            for each in value:
                check(each)
        else:
            assert isinstance(value, plain)

    for context in vars(renderer.channels["sms"])["contexts"]:
        check(dict(context))


QUOTING = [
    "{{ {}[who] }}",  # names the key that is missing
    "{{ labels[who] }}",
    "{{ ''[who] }}",
    "{{ who | int(default=none) + 1 }}",
    "{{ labels | attr(who) }}{{ labels[who] | upper }}",
    "{{ gettext(who)[who] }}",
    "{{ pgettext(who) }}",
    "{% include who %}",
    "{{ ('%d' | format(who)) }}",
]


@pytest.mark.parametrize("name", ["Μαρία", "Μαρία Παραδειγματίδου", "Μαρία Ο'Παράδειγμα"])
@pytest.mark.parametrize("quoting", QUOTING)
def test_error_of_a_template_tells_where_and_nothing_of_the_child(
    tmp_path: Path, quoting: str, name: str
) -> None:
    write(tmp_path, "sms/alert/text.txt.j2", "{{ prefix }}\n" + quoting)
    renderer = make_renderer(templates=Templates(tmp_path))
    alert = make_alert(children=[child_facts(name=name)])
    with pytest.raises(ConfigError, match=r"sms/alert/text.txt.j2") as raised:
        renderer.version(make_subject(alert=alert))
    assert "Μαρία" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_misspelt_fact_is_named(tmp_path: Path) -> None:
    write(tmp_path, "sms/alert/text.txt.j2", "{{ prefix }}{{ chidlren }}")
    renderer = make_renderer(templates=Templates(tmp_path))
    with pytest.raises(ConfigError, match=r"text\.txt\.j2, line 1: 'chidlren' is undefined"):
        renderer.version(make_subject())


# --- an operator's templates


def test_operators_template_comes_before_ours(tmp_path: Path) -> None:
    write(tmp_path, "sms/end/text.txt.j2", "{{ prefix }}{{ _('unknown') }} {{ area }}")
    renderer = make_renderer(templates=Templates(tmp_path))
    renditions = renderer.version(make_subject())
    assert text(renditions, "end", "found", "sms", "el") == "ΑΣΚΗΣΗ - άγνωστο Αττική"
    assert "AMBER" in text(renditions, "alert", "", "sms", "el")


def test_template_with_a_slip_is_found_at_start(tmp_path: Path) -> None:
    write(tmp_path, "sms/end/text.txt.j2", "{{ prefix }}\n{% if %}")
    with pytest.raises(ConfigError, match=r"sms/end/text.txt.j2, line 2"):
        Templates(tmp_path)


@pytest.mark.parametrize(
    "name", ["sms/end/text.txt.j2", "email/body.html.j2", "cap/end/headline.txt.j2"]
)
def test_template_that_hides_an_exercise_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "<title>{{ mark }}</title>{{ area }} {{ mark }}")
    renderer = make_renderer(templates=Templates(tmp_path))
    with pytest.raises(ConfigError, match=r"must begin with \{\{ mark \}\}"):
        renderer.version(make_subject())
    assert renderer.version(make_subject(alert=make_alert(status="actual")))


def test_end_that_asks_for_the_child_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "sms/end/text.txt.j2", "{{ prefix }}{{ who }}")
    renderer = make_renderer(templates=Templates(tmp_path))
    with pytest.raises(ConfigError, match="'who' is undefined"):
        renderer.version(make_subject())


def test_channel_without_a_template_is_named_at_start() -> None:
    channels = {"fax": PlainChannel("fax", "page.txt")}
    with pytest.raises(ConfigError, match=r"no template fax/alert/page.txt.j2 or fax/page.txt.j2"):
        make_renderer(channels=channels)


# --- how the shipped ones are written


def test_html_never_takes_in_plain_text_unescaped() -> None:
    for path in SHIPPED.rglob("*.html.j2"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "include" in line and ".txt" in line:
                assert "{% filter forceescape %}{% include" in line, path.name
            assert "| safe" not in line
            assert "autoescape" not in line


def test_only_text_messages_are_fitted_to_gsm() -> None:
    for path in SHIPPED.rglob("*.j2"):
        content = path.read_text(encoding="utf-8")
        fitted = "{% filter sms %}" in content
        assert fitted == (path.parent.parent.name == "sms"), path
