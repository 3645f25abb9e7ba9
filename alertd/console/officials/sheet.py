"""A form on the desk: what was saved of it, what it makes, and what is wrong with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from alertd.console.officials import fields as asked
from alertd.console.officials.areas import Region, matching, tree
from alertd.console.officials.differences import rows
from alertd.console.officials.fields import UNKNOWN, Field, Form, Step
from alertd.console.officials.reading import Frame, Reading, read
from alertd.console.officials.remedies import remedies
from alertd.core.approval import needed_roles
from alertd.core.rendition import Kind
from alertd.core.ruleset import ApprovalRole, Criterion, RuleSet, Words
from alertd.pipeline import formdrafts
from alertd.pipeline.audience import Intent
from alertd.pipeline.facts import allowed
from alertd.pipeline.formdrafts import FormDraft, Purpose
from alertd.pipeline.versions import latest
from alertd.pipeline.wording import Wording
from alertd.tools import Actor, Tools


@dataclass(frozen=True)
class Sheet:
    """Everything that a page of the form shows."""

    draft: FormDraft
    form: Form
    rules: RuleSet
    reading: Reading
    region: Region
    language: str

    @property
    def exercise(self) -> bool:
        return self.draft.status != "actual"

    @property
    def kind(self) -> str:
        """Name the kind of alert that the form is for."""
        return asked.kind_of(self.form, self.rules).name

    def channels(self, tools: Tools) -> list[str]:
        """Name the channels that the alert goes out by, of those that there are."""
        named = asked.kind_of(self.form, self.rules).channels
        return sorted(tools.channels.keys() & named)

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        return {field.name: field for field in asked.fields(self.form, self.rules)}

    @cached_property
    def remedies(self) -> Mapping[str, str]:
        """Give what is wrong, by field, whether or not anything was said there."""
        return remedies(self.reading.problems, self.language)

    def wrong(self, step: Step) -> dict[str, str]:
        """Give what was said wrongly on a step; what was left empty is none of it yet."""
        return {
            name: text
            for name, text in self.of(step).items()
            if any(self.value(each) for each in self._inputs(name))
        }

    def of(self, step: Step) -> dict[str, str]:
        return {n: text for n, text in self.remedies.items() if asked.step_of(n) == step}

    def begun(self, step: Step) -> bool:
        """Tell whether anything was said on a step that is no default."""
        return any(any(values) for name, values in self.form.items() if asked.step_of(name) == step)

    def value(self, name: str) -> str:
        return self.form.get(name, ("",))[0]

    def values(self, name: str) -> tuple[str, ...]:
        return self.form.get(name, ())

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        return self.rules.criteria_for(asked.kind_of(self.form, self.rules))

    def question(self, name: str) -> Words:
        """Give what `criteria.minor.met` asks."""
        criterion = name.split(".")[1]
        return next(each.question for each in self.criteria if each.name == criterion)

    def named(self, code: str) -> str:
        """Name a region in the reader's language."""
        return next(each.name for each in matching(self.region, code) if each.code == code)

    def step_of(self, name: str) -> Step:
        return asked.step_of(name) or Step.CHECK

    @property
    def roles(self) -> tuple[ApprovalRole, ...]:
        """Give the hands that it will need."""
        kind = Kind.UPDATE if self.draft.purpose is Purpose.UPDATE else Kind.ALERT
        return needed_roles(self.rules, kind)

    def count(self, holder: str) -> int:
        return asked.count(self.form, holder, 1 if holder == "children" else 0)

    def silent(self) -> tuple[str, ...]:
        """Name what is empty and could be called unknown."""
        return tuple(
            name
            for name in self.remedies
            if (f := self.fields.get(name)) and f.explicit and not self.value(name)
        )

    def silenced(self) -> dict[str, tuple[str, ...]]:
        """Give the form with everything that nobody spoke of called unknown."""
        return dict(self.form) | dict.fromkeys(self.silent(), (UNKNOWN,))

    def notice(self, wording: Wording, tools: Tools) -> list[tuple[str, str]]:
        """Give the notice as it stands: each printed fact, empty where nothing was said yet."""
        gaps = sorted(self.reading.gaps)
        alert = allowed(self.reading.alert, self.rules, wording.catalogue.language)
        return rows(alert, wording, tools.atlas, gaps=gaps)

    def _inputs(self, name: str) -> tuple[str, ...]:
        field = self.fields.get(name)
        return field.inputs if field else (name,)


async def open_sheet(tools: Tools, actor: Actor, draft_id: str, language: str) -> Sheet:
    """Lay one of this person's forms on the desk; raises NotFound."""
    draft = await formdrafts.read(tools, actor, draft_id)
    return lay(tools, draft, draft.form, await rules_of(tools, draft), language)


async def rules_of(tools: Tools, draft: FormDraft) -> RuleSet:
    """Give the rules that the form is held against: an alert's own, else those of now."""
    if draft.purpose is Purpose.NEW or draft.alert_id is None:
        return tools.rulebook.current(draft.programme)
    return (await tools.store.read(latest, draft.alert_id)).rules


def lay(tools: Tools, draft: FormDraft, form: Form, rules: RuleSet, language: str) -> Sheet:
    frame = Frame(
        programme=draft.programme,
        status=draft.status,
        rules=rules,
        atlas=tools.atlas,
        now=tools.clock(),
    )
    return Sheet(
        draft=draft,
        form=form,
        rules=rules,
        reading=read(form, frame),
        region=tree(tools.atlas, rules.country, language),
        language=language,
    )


def merged(old: Form, step: Step, posted: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Put what a step's page says in the place of what that step said before."""
    kept = {name: values for name, values in old.items() if asked.step_of(name) != step}
    said = {
        name: tuple(value.strip() for value in values)
        for name, values in posted.items()
        if asked.step_of(name) == step
    }
    return kept | said


def intent_of(tools: Tools, sheet: Sheet, channels: Iterable[str] = ()) -> Intent:
    """Give whom the form is for, as far as it says so yet."""
    return Intent(
        alert_id=sheet.draft.alert_id or "",
        regions=tools.atlas.reaches(sheet.reading.alert.area.regions),
        exercise=sheet.exercise,
        channels=frozenset(channels),
    )
