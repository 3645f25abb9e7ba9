"""A stand-in for Twilio's Messages API, to which the official SDK talks over a real socket."""

import asyncio
import contextlib
import secrets
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

from alertd.demo.peer import Fault, HttpPeer, Inbox, fail, html, page

ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "a-token-of-nobody"  # noqa: S105 - opens nothing but this stand-in
CALLBACK_WORKERS = 8

_MESSAGES = {  # https://www.twilio.com/docs/api/errors
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "Invalid 'To' Phone Number",
    21602: "Message body is required",
    21603: "A 'From' phone number or a 'MessagingServiceSid' is required",
    21604: "A 'To' phone number is required",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
}


@dataclass(slots=True)
class Sms:
    """One message as the API took it."""

    sid: str
    to: str
    body: str
    sender: str
    validity_s: int
    callback: str
    status: str = "queued"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a message: the status callbacks that follow, and Twilio's error code."""

    statuses: tuple[str, ...] = ("sent", "delivered")
    error_code: int | None = None
    after_s: float = 0.0


@dataclass(slots=True)
class Script:
    """How the stand-in behaves towards certain numbers."""

    opted_out: set[str] = field(default_factory=set)
    endings: dict[str, Ending] = field(default_factory=dict)
    ending: Ending = field(default_factory=Ending)  # of every other number
    account_status: str = "active"
    unanswered: int = 0  # how many of the next questions for messages fail


class FakeTwilio(HttpPeer):
    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
    ) -> None:
        super().__init__(host, port)
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.inbox: Inbox[Sms] = Inbox()
        self.callbacks: Inbox[int] = Inbox()  # what they were answered with; 0 for no answer
        self.script = Script()
        self.asked = 0  # questions for messages
        self._due: asyncio.Queue[Sms] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []

    @property
    def messages(self) -> list[Sms]:
        return list(self.inbox.latest)

    async def wait_for(self, count: int, timeout_s: float = 10) -> None:
        await self.inbox.wait_for(count, timeout_s)

    def routes(self) -> Iterable[web.RouteDef]:
        return (
            web.post("/2010-04-01/Accounts/{sid}/Messages.json", self._create),
            web.get("/2010-04-01/Accounts/{sid}/Messages.json", self._list),
            web.post("/2010-04-01/Accounts/{sid}/Messages/{message}.json", self._cancel),
            web.get("/2010-04-01/Accounts/{sid}.json", self._account),
            web.get("/", self._page),
        )

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._workers = [
            asyncio.create_task(self._call_back(), name=f"fake-twilio-callbacks-{n}")
            for n in range(CALLBACK_WORKERS)
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await super().__aexit__(kind, error, trace)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        fault = self.take_fault()
        if fault is not None and not fault.taken:
            return await self._fail(request, fault)
        form = {name: str(value) for name, value in (await request.post()).items()}
        if code := self._refusal(request, form):
            return _error(*code)
        sms = Sms(
            sid=f"SM{secrets.token_hex(16)}",
            to=form["To"],
            body=form["Body"],
            sender=form.get("From") or form["MessagingServiceSid"],
            validity_s=int(form.get("ValidityPeriod", "36000")),
            callback=form.get("StatusCallback", ""),
        )
        await self.inbox.add(sms)
        if sms.callback:
            self._due.put_nowait(sms)
        if fault is not None:
            return await self._fail(request, fault)
        return web.json_response(self._resource(sms), status=201)

    async def _list(self, request: web.Request) -> web.Response:
        """Give what was taken for one number, the newest first."""
        if code := self._stranger(request):
            return _error(*code)
        self.asked += 1
        if self.script.unanswered:
            self.script.unanswered -= 1
            return _error(503, 20503)
        found = [sms for sms in reversed(self.messages) if sms.to == request.query["To"]]
        shown = found[: int(request.query.get("PageSize", "50"))]
        return web.json_response(
            {"messages": [self._resource(sms) for sms in shown], "next_page_uri": None}
        )

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel what a Messaging Service still holds; anything else has left."""
        if code := self._stranger(request):
            return _error(*code)
        form = await request.post()
        found = [sms for sms in self.messages if sms.sid == request.match_info["message"]]
        if not found:
            return _error(404, 20404)
        waits = found[0].status == "queued" and found[0].sender.startswith("MG")
        if form.get("Status") != "canceled" or not waits:
            return _error(400, 20001)
        found[0].status = "canceled"
        return web.json_response(self._resource(found[0]))

    async def _account(self, request: web.Request) -> web.StreamResponse:
        if code := self._stranger(request):
            return _error(*code)
        return web.json_response({"sid": self.account_sid, "status": self.script.account_status})

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.code:
            return _error(fault.status or 400, fault.code, fault.headers)
        return await fail(request, fault)

    def _refusal(self, request: web.Request, form: Mapping[str, str]) -> tuple[int, int] | None:
        """Give the HTTP status and Twilio's code for a request that the API would not take."""
        if code := self._stranger(request):
            return code
        validity = form.get("ValidityPeriod", "36000")
        checks = (
            (not form.get("To"), 21604),
            (not form.get("To", "").startswith("+"), 21211),
            (not form.get("Body"), 21602),
            (len(form.get("Body", "")) > 1600, 21617),
            (not (form.get("From") or form.get("MessagingServiceSid")), 21603),
            (not (validity.isdigit() and 1 <= int(validity) <= 36_000), 20001),
            (form.get("To") in self.script.opted_out, 21610),
        )
        return next(((400, code) for wrong, code in checks if wrong), None)

    def _stranger(self, request: web.Request) -> tuple[int, int] | None:
        login = b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {login}":
            return 401, 20003
        return (404, 20404) if request.match_info["sid"] != self.account_sid else None

    def _resource(self, sms: Sms) -> dict[str, Any]:
        created = format_datetime(sms.created_at)
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sms.sid}"
        return {
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "body": sms.body,
            "date_created": created,
            "date_sent": None,
            "date_updated": created,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": sms.sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": sms.sid,
            "status": sms.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": sms.to,
            "uri": f"{uri}.json",
        }

    async def _call_back(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            while True:
                sms = await self._due.get()
                ending = self.script.endings.get(sms.to, self.script.ending)
                await asyncio.sleep(ending.after_s)
                for status in ending.statuses:
                    await self._report(session, sms, status, ending.error_code)

    async def _report(
        self, session: aiohttp.ClientSession, sms: Sms, status: str, error_code: int | None
    ) -> None:
        sms.status = status
        fields = self.callback_fields(sms, status, error_code)
        answered = 0
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(
                sms.callback, data=fields, headers=self.sign(sms.callback, fields)
            ) as response:
                answered = response.status
        await self.callbacks.add(answered)

    def callback_fields(
        self, sms: Sms, status: str, error_code: int | None = None
    ) -> dict[str, str]:
        """Give the form that Twilio posts when a message comes to `status`."""
        fields = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "From": sms.sender,
            "MessageSid": sms.sid,
            "MessageStatus": status,
            "SmsSid": sms.sid,
            "SmsStatus": status,
            "To": sms.to,
        }
        failed = status in {"failed", "undelivered"} and error_code is not None
        return fields | ({"ErrorCode": str(error_code)} if failed else {})

    def sign(self, url: str, fields: Mapping[str, str]) -> dict[str, str]:
        """Give the header that proves to `url` that a callback is from here."""
        signature = RequestValidator(self.auth_token).compute_signature(url, fields)
        return {"X-Twilio-Signature": signature}

    async def _page(self, _request: web.Request) -> web.Response:
        rows = ((sms.to, sms.status, f"{sms.validity_s} s", sms.body) for sms in self.messages)
        columns = ("To", "Status", "Valid for", "Text")
        return html(page("Stand-in for Twilio", self.inbox.count, columns, rows))


def _error(status: int, code: int, headers: Mapping[str, str] | None = None) -> web.Response:
    payload = {
        "code": code,
        "message": _MESSAGES.get(code, "The request was not accepted"),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return web.json_response(payload, status=status, headers=headers)
