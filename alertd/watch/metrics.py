"""The measures of alertd in Prometheus' own format; no label's values grow with use."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from alertd.watch.alarms import Alarm
from alertd.watch.board import Board
from alertd.watch.chain import ChainState
from alertd.watch.tallies import Spread, Tallies

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LANE_STATES = ("open", "draining", "paused", "closed")


class Measures:
    """A collector over what was read for one scrape."""

    def __init__(
        self, board: Board, tallies: Tallies, chain: ChainState, alarms: list[Alarm]
    ) -> None:
        self._board = board
        self._tallies = tallies
        self._chain = chain
        self._alarms = alarms

    def collect(self) -> Iterator[Metric]:
        yield from self._attempts()
        yield from self._channels()
        yield from self._lanes()
        yield from self._ledger()
        yield self._standing()

    def _attempts(self) -> Iterator[Metric]:
        made = CounterMetricFamily(
            "alertd_attempts",
            "Attempts and later reports of providers, by what came of them.",
            labels=["channel", "result", "reason"],
        )
        for labels, count in sorted(self._tallies.attempts.items()):
            made.add_metric(list(labels), count)
        yield made
        yield _histogram("alertd_attempt_seconds", "How long an attempt took.", self._tallies.took)
        yield _histogram(
            "alertd_delay_seconds",
            "From the last approval until a message left us or arrived.",
            self._tallies.delay,
        )

    def _channels(self) -> Iterator[Metric]:
        now = self._board.as_of
        for name, text, value in (
            ("alertd_queued", "Deliveries that wait to be sent.", lambda c: c.queued),
            ("alertd_dead_letters", "Deliveries that will not be tried again.", lambda c: c.dead),
            ("alertd_uncertain", "Deliveries that may have arrived.", lambda c: c.uncertain),
            (
                "alertd_oldest_waiting_seconds",
                "Since the activation of the oldest alert that still has messages waiting.",
                lambda c: _since(c.oldest_at, now),
            ),
            (
                "alertd_ledger_lag_seconds",
                "How long the longest due delivery has been due without being taken.",
                lambda c: c.lag_s,
            ),
        ):
            yield self._gauge(name, text, {c.channel: value(c) for c in self._board.channels})
        tested = {c.channel: c.last_test for c in self._board.channels if c.last_test}
        passed = {name: float(test.passed) for name, test in tested.items()}
        took = {name: test.took_s for name, test in tested.items()}
        at = {name: test.at.timestamp() for name, test in tested.items()}
        yield self._gauge("alertd_link_up", "Whether the last link test passed.", passed)
        yield self._gauge("alertd_link_test_seconds", "How long it took.", took)
        yield self._gauge("alertd_link_tested_timestamp_seconds", "When it was made.", at)

    def _lanes(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "alertd_channel_state", "1 for the state of the channel.", labels=["channel", "state"]
        )
        for channel in self._board.channels:
            for name in LANE_STATES:
                state.add_metric([channel.channel, name], float(channel.state == name))
        yield state
        troubled = {c.channel: float(len(c.lanes)) for c in self._board.channels}
        yield self._gauge(
            "alertd_endpoints_barred", "Endpoints that are paused or closed.", troubled
        )

    def _ledger(self) -> Iterator[Metric]:
        chain = self._chain
        for name, text, number in (
            ("alertd_ledger_held", "1 while an old copy waits for an operator.", self._board.held),
            ("alertd_audit_head", "Number of the last audit entry.", self._board.head),
            ("alertd_audit_verified", "Number of the last entry replayed.", chain.verified),
            ("alertd_audit_chain_broken", "1 when the chain does not verify.", chain.broken),
            ("alertd_anchor_targets_late", "Targets that lack the last anchor.", chain.late),
        ):
            yield GaugeMetricFamily(name, text, value=float(number))
        if chain.anchored_at is not None:
            yield GaugeMetricFamily(
                "alertd_anchor_timestamp_seconds",
                "When the chain was last verified and anchored.",
                value=chain.anchored_at.timestamp(),
            )

    def _standing(self) -> Metric:
        counts: dict[str, float] = {}
        for alarm in self._alarms:
            counts[alarm.kind] = counts.get(alarm.kind, 0) + 1
        return self._gauge("alertd_alarms", "Alarms that stand.", counts, label="kind")

    @staticmethod
    def _gauge(
        name: str, text: str, values: dict[str, float], label: str = "channel"
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=[label])
        for key, value in sorted(values.items()):
            family.add_metric([key], value)
        return family


def exposition(measures: Measures) -> bytes:
    """Give the page that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(measures)
    return generate_latest(registry)


def _histogram(name: str, text: str, spreads: dict[str, Spread]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["channel"])
    for channel, spread in sorted(spreads.items()):
        so_far, buckets = 0, []
        for bound, count in zip([*map(str, spread.bounds), "+Inf"], spread.counts, strict=True):
            so_far += count
            buckets.append((bound, float(so_far)))
        family.add_metric([channel], buckets, spread.total_s)
    return family


def _since(at: datetime | None, now: datetime) -> float:
    return max((now - at).total_seconds(), 0) if at else 0
