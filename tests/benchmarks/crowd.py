"""A ledger of a million deliveries, made inside the database within a minute."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BigInteger, Connection, bindparam, text

from alertd.store.schema import to_micros

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
ALERTS = 20
PAST = 1_000_000  # where the versions of alerts long over are numbered from
RATES: dict[str, float | None] = {"sms": 100.0, "email": 50.0, "webhook": None, "feed": None}

_WIDE = {"now", "base", "first", "count"}

_PERSON = "INSERT INTO persons (id, name, language, created_at) VALUES (1, 'E', 'el', 0)"
_RULES = """
INSERT INTO rule_sets (programme, version, digest, body, seen_at)
VALUES ('example', 1, 'x', '{}', 0)
"""
_COUNT = """
WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :count)
"""
_ADDRESSES = (
    "INSERT INTO addresses (id, channel, address, lane, created_at) "
    + _COUNT
    + "SELECT i, CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END, 'reader' || i || '@example.org', "
    "CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END, :now FROM n"
)
_DELIVERIES = (
    "INSERT INTO deliveries (id, dispatch_id, address_id, channel, lane, priority, language, "
    "region, state, attempts, next_at, handed_over, repeat, reason, sent_at, delivered_at) "
    + _COUNT
    + """SELECT :base + i, :dispatch, i,
      CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END, CASE i % 2 WHEN 0 THEN 'sms' ELSE 'email' END,
      1, 'el', CASE i % 10 WHEN 0 THEN 'GR-B' ELSE 'GR-I' END,
      CASE WHEN i % 100 = 7 THEN 'dead' WHEN :last AND i % 50 = 3 THEN 'queued'
               ELSE 'delivered' END,
      1, :now + i, true, false, CASE WHEN i % 100 = 7 THEN 'address_unreachable' END,
      :now, :now + 1000000 FROM n"""
)
_ATTEMPTS = (
    "INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, reason, detail, "
    "provider_ref, node, batch) "
    + _COUNT
    + "SELECT :base + i, 1, :now, :now + 100000, 'delivered', '', '200', '', 'example', 1 FROM n"
)
_RECIPIENTS = (
    "INSERT INTO recipients (id, address_id, label, recipient_class, language, exercise, consent, "
    "consent_at, created_at) "
    + _COUNT
    + "SELECT i, i, 'Example', 'citizen', 'el', true, 'example', :now, :now FROM n"
)
_REGIONS = (
    "INSERT INTO recipient_regions (region, recipient_id) " + _COUNT + "SELECT 'GR-I', i FROM n"
)
_SECOND_REGIONS = (
    "INSERT INTO recipient_regions (region, recipient_id) "
    "SELECT 'GR-B', recipient_id FROM recipient_regions WHERE recipient_id % 10 = 0"
)
_PROGRESS = """
INSERT INTO progress (dispatch_id, channel, state, count, first_at, last_at)
SELECT dispatch_id, channel, state, count(*), :now, :now FROM deliveries
WHERE dispatch_id = :n AND id > :base GROUP BY dispatch_id, channel, state
"""
_REGION_PROGRESS = """
INSERT INTO region_progress (dispatch_id, region, state, count)
SELECT dispatch_id, region, state, count(*) FROM deliveries
WHERE dispatch_id = :n AND id > :base GROUP BY dispatch_id, region, state
"""
_ENTRIES = (
    "INSERT INTO audit (seq, at, actor, action, alert_id, body, previous, hash) "
    + _COUNT
    + "SELECT -i, :now - i * 1000000, 'system', 'deliveries.settled', NULL, '{}', '', '' FROM n"
)


_ALERT = """
INSERT INTO alerts (id, programme, status, case_reference, key_id, created_by, created_at)
VALUES (:id, 'example', 'exercise', :case, 'k', 1, :now)
"""
_VERSION = """
INSERT INTO versions (id, alert_id, number, kind, state, revision, rule_set_version, regions,
                      languages, created_by, created_at, expires_at, sent_at)
VALUES (:n, :id, 1, 'alert', 'active', 1, 1, '[]', '[]', 1, :now, :now, :now)
"""
_PAST_ALERTS = (
    "INSERT INTO alerts (id, programme, status, case_reference, key_id, created_by, created_at) "
    + _COUNT
    + "SELECT '000' || i, 'amber-alert-hellas', 'exercise', 'EX-OLD-' || i, 'k', 1, :now FROM n"
)
_PAST_VERSIONS = (
    "INSERT INTO versions (id, alert_id, number, kind, state, revision, rule_set_version, regions, "
    "languages, created_by, created_at, expires_at, sent_at) "
    + _COUNT
    + """SELECT :first + i, '000' || i, 1, 'alert', 'ended', 1, 1, '["GR-I"]', '["el"]', 1, :now,
      :now, :now FROM n"""
)
_DISPATCH = """
INSERT INTO dispatches (id, alert_id, version_id, kind, variant, occurrence, identifier, priority,
                        exercise, sent_at, deadline_at, "references", source, expanded_to,
                        expanded_at)
VALUES (:n, :id, :n, 'alert', '', 0, :id, 1, true, :now, :now + 86400000000, '', '', 0, :now)
"""


def fill(conn: Connection, count: int, *, alerts: int = ALERTS) -> None:
    """Make a ledger with `count` deliveries, spread over the dispatches of so many alerts."""
    each = count // alerts
    now = to_micros(NOW)
    _run(conn, _PERSON)
    _run(conn, _RULES)
    for statement in (_ADDRESSES, _RECIPIENTS):
        _run(conn, statement, count=each, now=now)
    _run(conn, _REGIONS, count=each)
    _run(conn, _SECOND_REGIONS)
    for n in range(1, alerts + 1):
        _run(conn, _ALERT, id=f"example{n:02}", case=f"EX-{n:04}", now=now)
        for statement in (_VERSION, _DISPATCH):
            _run(conn, statement, n=n, id=f"example{n:02}", now=now)
        deliver(conn, n, each, base=(n - 1) * each, last=n == alerts)
    analyze(conn)


def analyze(conn: Connection) -> None:
    """Let PostgreSQL look at its tables, as it does by itself in life; SQLite never does."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("ANALYZE"))


def deliver(conn: Connection, dispatch: int, count: int, *, base: int, last: bool) -> None:
    """Give a dispatch its deliveries, numbered after `base`; of the last one some still wait."""
    now = to_micros(NOW)
    _run(conn, _DELIVERIES, count=count, base=base, dispatch=dispatch, now=now, last=last)
    _run(conn, _ATTEMPTS, count=count, base=base, now=now)
    _run(conn, _PROGRESS, n=dispatch, base=base, now=now)
    _run(conn, _REGION_PROGRESS, n=dispatch, base=base)


def age(conn: Connection, entries: int, past: int) -> None:
    """Make a ledger one that has been in use for years: audit entries, alerts long over."""
    now = to_micros(NOW)
    _run(conn, _ENTRIES, count=entries, now=now)
    _run(conn, _PAST_ALERTS, count=past, now=now)
    _run(conn, _PAST_VERSIONS, count=past, now=now, first=PAST)


def _run(conn: Connection, statement: str, **values: object) -> None:
    wide = [bindparam(name, type_=BigInteger) for name in values if name in _WIDE]
    conn.execute(text(statement).bindparams(*wide), values)
