"""One attempt: a message made for one address, handed over, and what becomes of its delivery."""

import random

import structlog

from alertd.channel import Channel, Message, Prepared, Receipt, Reconciles
from alertd.core.audit import AttemptRow
from alertd.core.delivery import Outcome, Result, Standing, UncertainPolicy, decide
from alertd.core.errors import (
    ChannelDown,
    Reason,
    SendError,
    Throttled,
    Uncertain,
    Undeliverable,
)
from alertd.core.rendition import Slot
from alertd.ownlinks import ack_token, own_token
from alertd.pipeline.deliver import UNTRIED, Settled, changed
from alertd.pipeline.reports import delivery_ref
from alertd.store.ledger import Leased
from alertd.store.schema import to_micros
from alertd.tools import Tools
from alertd.workers.running import Running

log = structlog.get_logger(__name__)


class Sender:
    """Hands over on one channel, any number of messages at once."""

    def __init__(self, tools: Tools, channel: Channel, node: str) -> None:
        self._tools = tools
        self._channel = channel
        self._policy = tools.uncertain[channel.name]
        self._node = node

    async def attempt(self, leased: Leased, running: Running) -> Settled:
        """Try one delivery, unless its deadline has passed, and give what becomes of it."""
        started = self._tools.clock()
        if started >= running.deadline_at:
            outcome = Outcome(Result.EXPIRED, Reason.EXPIRED)
        else:
            outcome = await self._send(leased, running)
        return self._settled(leased, running, outcome, to_micros(started))

    async def _send(self, leased: Leased, running: Running) -> Outcome:
        prepared = running.choose(leased.channel, leased.language)
        if prepared is None:
            return Outcome(Result.UNDELIVERABLE, Reason.REJECTED, "no rendition")
        try:
            receipt = await self._hand_over(self._message(leased, running, prepared))
        except SendError as error:
            return _outcome(error)
        except Exception as error:
            log.exception("channel.defect", channel=leased.channel, delivery=leased.id)
            return Outcome(Result.UNSENT, Reason.DEFECT, type(error).__name__[:100])
        result = Result.DELIVERED if receipt.state == "delivered" else Result.SENT
        return Outcome(result, None, receipt.detail, receipt.provider_ref)

    async def _hand_over(self, message: Message) -> Receipt:
        """Send, unless the provider is to be asked first and has it already."""
        asks = message.repeat and self._policy is UncertainPolicy.RECONCILE
        if asks and isinstance(self._channel, Reconciles):
            found = await self._channel.find(message)
            if found is not None:
                return found
        return await self._channel.send(message)

    def _message(self, leased: Leased, running: Running, prepared: Prepared) -> Message:
        master = self._tools.vault.master
        own_link = ""
        if Slot.OWN_LINK in prepared.parts:
            token = own_token(master, leased.address_id, leased.address)
            own_link = f"{self._tools.public_url}/s/{token}"
        ack_link = ""
        if Slot.ACK_LINK in prepared.parts:
            token = ack_token(master, leased.id, running.alert_id)
            ack_link = f"{self._tools.public_url}/ack/{token}"
        thread = "" if leased.first_id is None else delivery_ref(running.alert_id, leased.first_id)
        return Message(
            delivery_id=delivery_ref(running.alert_id, leased.id),
            address=leased.address,
            prepared=prepared,
            own_link=own_link,
            ack_link=ack_link,
            sent_at=running.sent_at,
            deadline_at=running.deadline_at,
            now=self._tools.clock(),
            attempt=leased.attempts + 1,
            repeat=leased.repeat,
            secret=master.open(leased.secret).decode() if leased.secret else "",
            thread=thread,
            exercise=running.exercise,
        )

    def _settled(self, leased: Leased, running: Running, outcome: Outcome, started: int) -> Settled:
        now = self._tools.clock()
        tried = outcome.result not in UNTRIED
        standing = Standing(
            attempts=leased.attempts + tried,
            repeat=leased.repeat,
            deadline_at=running.deadline_at,
            now=now,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        )
        finished = to_micros(now)
        change = changed(leased, outcome, decide(outcome, standing, self._policy), finished)
        attempt: AttemptRow | None = None
        if tried:
            attempt = (
                leased.id,
                change.attempts,
                started,
                finished,
                outcome.result,
                outcome.reason or "",
                outcome.detail[:100],
                outcome.provider_ref[:100],
                self._node,
            )
        return Settled(
            leased=leased,
            change=change,
            attempt=attempt,
            result=outcome.result,
            suppress=outcome.suppress,
            retry_after_s=outcome.retry_after_s,
        )


_RESULTS: dict[type[SendError], Result] = {
    Uncertain: Result.UNCERTAIN,
    Undeliverable: Result.UNDELIVERABLE,
    ChannelDown: Result.CHANNEL_DOWN,
}


def _outcome(error: SendError) -> Outcome:
    """Give what a channel's error means for the delivery."""
    return Outcome(
        _RESULTS.get(type(error), Result.UNSENT),
        error.reason,
        error.detail,
        retry_after_s=error.retry_after_s if isinstance(error, Throttled) else None,
        suppress=isinstance(error, Undeliverable) and error.suppress,
    )
