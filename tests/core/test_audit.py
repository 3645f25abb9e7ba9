from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertd.core.audit import (
    GENESIS,
    AttemptRow,
    Fault,
    Finding,
    Head,
    Link,
    Replay,
    batch_digest,
    canonical,
    chain,
    instant,
    link,
    text_digest,
    verify,
)

AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def make_chain(*actions: str) -> list[Link]:
    links: list[Link] = []
    head = GENESIS
    for action in actions:
        entry = {"actor": "person:1", "action": action, "alert_id": "a1", "data": {"n": len(links)}}
        links.append(chain(head, entry, AT + timedelta(seconds=len(links))))
        head = end(links)
    return links


def end(links: list[Link]) -> Head:
    return Head(links[-1].seq, links[-1].hash) if links else GENESIS


def faults(findings: Any) -> list[tuple[Fault, int]]:
    return [(finding.fault, finding.seq) for finding in findings]


def test_canonical_form_and_hash_are_pinned() -> None:
    entry = {"actor": "person:7", "action": "alert.ended", "alert_id": None, "data": {"β": [1]}}
    first = chain(GENESIS, entry, AT)
    assert first.body == (
        '{"action":"alert.ended","actor":"person:7","alert_id":null,'
        '"at":"2026-11-24T02:00:00.000000Z","data":{"β":[1]},"seq":1}'
    )
    assert first.hash == "f87a41be19b5f1bf8259ed19aec3ff9baf34f507ff224ea6149b99ea7e12a6b5"


def test_text_digest_is_pinned() -> None:
    assert (
        text_digest(bytes(16), "why", "Παράδειγμα")
        == "282d20dd27cafa925c84dd0bc668f3c0079cad3199becab98eb501e7e4fb4ef1"
    )


def test_batch_digest_is_pinned() -> None:
    rows: list[AttemptRow] = [
        (2, 1, 10, 20, "unsent", "timeout", "", "", "n1"),
        (1, 1, 10, 20, "sent", "", "201", "SM1", "n1"),
    ]
    assert batch_digest(rows) == "9425fc2c064d6f767fcad8a8c92c7582e3a3504be6d56bba0f3f9171c6fed89f"


def test_not_a_number_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"x": float("nan")})


def test_instant_is_spelled_the_same_in_every_zone() -> None:
    athens = timezone(timedelta(hours=2))
    assert instant(AT.astimezone(athens)) == instant(AT) == "2026-11-24T02:00:00.000000Z"


def test_head_reads_what_it_writes() -> None:
    head = Head(7, "ab")
    assert Head.parse(str(head)) == head


def test_intact_chain_has_no_findings() -> None:
    links = make_chain("a", "b", "c")
    assert faults(verify(links, end(links))) == []


def test_changed_body_is_found() -> None:
    links = make_chain("a", "b", "c")
    links[1] = replace(links[1], body=links[1].body.replace('"n":1', '"n":9'))
    assert faults(verify(links)) == [(Fault.CHANGED, 2)]


def test_changed_hash_is_found() -> None:
    links = make_chain("a", "b", "c")
    links[1] = replace(links[1], hash="0" * 64)
    assert faults(verify(links)) == [(Fault.CHANGED, 2)]


def test_changed_body_with_its_hash_made_anew_is_found_at_the_next_entry() -> None:
    links = make_chain("a", "b", "c")
    body = links[1].body.replace('"n":1', '"n":9')
    links[1] = replace(links[1], body=body, hash=link(links[1].previous, body))
    assert faults(verify(links)) == [(Fault.INSERTED, 3)]


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "person:2"},
        {"action": "x"},
        {"alert_id": None},
        {"at": AT},
    ],
    ids=lambda change: next(iter(change)),
)
def test_column_that_no_longer_repeats_its_body_is_found(change: dict[str, Any]) -> None:
    links = make_chain("a", "b", "c")
    links[1] = replace(links[1], **change)
    (found,) = verify(links)
    assert (found.fault, found.seq) == (Fault.CHANGED, 2)
    assert next(iter(change)) in found.what


def test_removed_entries_are_found_and_named() -> None:
    links = make_chain("a", "b", "c", "d")
    (found,) = verify([links[0], links[3]], end(links))
    assert str(found) == "entry 2: removed: entries 2 to 3 are missing"


def test_removed_first_entry_is_found() -> None:
    assert faults(verify(make_chain("a", "b")[1:])) == [(Fault.REMOVED, 1)]


def test_removed_entry_whose_successors_were_renumbered_is_found() -> None:
    one, _, three = make_chain("a", "b", "c")
    assert (Fault.REORDERED, 2) in faults(verify([one, replace(three, seq=2)]))


def test_cut_off_end_is_found_by_the_head_mark() -> None:
    links = make_chain("a", "b", "c")
    assert faults(verify(links[:2], end(links))) == [(Fault.CUT_OFF, 3)]


def test_emptied_chain_is_found_by_the_head_mark() -> None:
    assert faults(verify([], Head(3, "x"))) == [(Fault.CUT_OFF, 1)]


def test_head_mark_that_names_another_hash_is_found() -> None:
    links = make_chain("a", "b")
    assert faults(verify(links, Head(2, "0" * 64))) == [(Fault.CHANGED, 2)]


def test_entries_that_changed_places_are_found() -> None:
    one, two, three = make_chain("a", "b", "c")
    assert Fault.INSERTED in {f.fault for f in verify([one, three, two])}


def test_bodies_that_changed_places_are_found() -> None:
    one, two, three = make_chain("a", "b", "c")
    swapped = [
        replace(two, seq=1, at=one.at, action=one.action),
        replace(one, seq=2, at=two.at, action=two.action),
        three,
    ]
    assert (Fault.REORDERED, 1) in faults(verify(swapped))
    assert (Fault.REORDERED, 2) in faults(verify(swapped))


def test_entry_put_in_between_is_found() -> None:
    one, two = make_chain("a", "b")
    extra = chain(end([one]), {"actor": "x", "action": "x", "alert_id": None}, AT)
    assert (Fault.INSERTED, 2) in faults(verify([one, extra, two]))


def test_body_that_is_no_json_is_found() -> None:
    links = make_chain("a")
    links[0] = replace(links[0], body="[", hash=link(GENESIS.hash, "["))
    assert Fault.CHANGED in {f.fault for f in verify(links)}


def test_replay_goes_on_from_any_known_head() -> None:
    links = make_chain("a", "b", "c")
    replay = Replay(end(links[:1]))
    assert [replay.add(entry) for entry in links[1:]] == [[], []]
    assert replay.head == end(links)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
chains = st.lists(texts, min_size=2, max_size=12).map(lambda actions: make_chain(*actions))


@given(chains)
def test_every_chain_verifies(links: list[Link]) -> None:
    assert list(verify(links, end(links))) == []
    assert all(later.previous == earlier.hash for earlier, later in pairwise(links))


@given(chains, st.data())
def test_any_single_change_to_a_field_is_found(links: list[Link], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 1))
    name = data.draw(st.sampled_from(["actor", "action", "alert_id", "body", "previous", "hash"]))
    value = data.draw(texts.filter(lambda text: text != getattr(links[place], name)))
    changed = [*links[:place], replace(links[place], **{name: value}), *links[place + 1 :]]
    assert list(verify(changed, end(links)))


@given(chains, st.data())
def test_any_removal_is_found(links: list[Link], data: st.DataObject) -> None:
    lost = data.draw(st.sets(st.integers(0, len(links) - 1), min_size=1))
    kept = [entry for place, entry in enumerate(links) if place not in lost]
    assert list(verify(kept, end(links)))


@given(chains, st.randoms())
def test_any_other_order_is_found(links: list[Link], random: Any) -> None:
    shuffled = links[:]
    random.shuffle(shuffled)
    assert bool(list(verify(shuffled, end(links)))) == (shuffled != links)


def row(**changes: Any) -> AttemptRow:
    fields = {
        "delivery": 1,
        "number": 1,
        "started": 10,
        "finished": 20,
        "result": "sent",
        "reason": "",
        "detail": "201",
        "ref": "SM1",
        "node": "n1",
        **changes,
    }
    delivery, number, started, finished, *words = fields.values()
    return (delivery, number, started, finished, *words)


rows_ = st.builds(
    row,
    delivery=st.integers(1, 9),
    detail=st.text("a\\\tnt\n", max_size=4),
    ref=st.text("a\\\tnt\n", max_size=4),
)


def test_order_of_attempts_makes_no_difference() -> None:
    rows = [row(delivery=n) for n in range(20)]
    assert batch_digest(rows) == batch_digest(rows[::-1])


def test_attempt_given_twice_makes_a_difference() -> None:
    assert batch_digest([row()]) != batch_digest([row(), row()])


@given(st.lists(rows_, max_size=3), st.lists(rows_, max_size=3))
def test_different_attempts_never_read_alike(one: list[AttemptRow], two: list[AttemptRow]) -> None:
    assert (batch_digest(one) == batch_digest(two)) == (sorted(one) == sorted(two))


def test_finding_reads_as_a_sentence() -> None:
    finding = Finding(Fault.CHANGED, 3, "its hash is not that of its body")
    assert str(finding) == "entry 3: changed: its hash is not that of its body"
