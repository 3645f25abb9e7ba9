"""The HTTP API as its clients use it: the command line and the demo."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from alertd.core.errors import NotFound, Problem, Refused

TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5)


class ApiRefused(Refused):
    """The daemon's answer, as its problem document says it."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.problems = [Problem(**each) for each in document.get("errors") or ()]
        self.other: str | None = document.get("other")
        title = document.get("title") or "the daemon refused"
        lines = [f"{title} ({status})"]
        lines += [f"  {document['detail']}"] if document.get("detail") else []
        lines += [f"  {each.field}: {each.message}" for each in self.problems]
        lines += [f"  see alert {self.other}"] if self.other else []
        super().__init__("\n".join(lines))


class Api:
    """One person's calls; opened and closed by `async with`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            timeout=TIMEOUT,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: Any) -> Any:
        return await self._call("GET", path, params=query)

    async def post(
        self,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Any:
        return await self._call("POST", path, json=body, headers=headers, params=query)

    async def _call(
        self, method: str, path: str, *, params: Mapping[str, Any], **options: Any
    ) -> Any:
        options["params"] = {name: str(v) for name, v in params.items() if v is not None}
        try:
            async with self._session.request(
                method, f"{self.url}/api/v1{path}", allow_redirects=False, **options
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Refused(
                f"no answer from {self.url} ({type(error).__name__}): is `alertd serve` running?"
            ) from None
        try:
            document = json.loads(content) if content else {}
        except ValueError:
            document = {}
        if not 200 <= response.status < 300:
            raise ApiRefused(response.status, document if isinstance(document, dict) else {})
        return document

    async def pick(self, alert: str | None, *states: str) -> str:
        """Give `alert`, or the only one in one of `states`; without states, the newest."""
        if alert is not None:
            return alert
        if not states:
            found = (await self.get("/alerts", limit=1))["items"]
        else:
            found = [
                each
                for state in states
                for each in (await self.get("/alerts", state=state))["items"]
            ]
        if not found:
            raise NotFound(f"no alert is {' or '.join(states)}" if states else "there is no alert")
        if len(found) > 1:
            names = "\n".join(f"  {each['id']}  {each['case_reference']}" for each in found)
            raise Refused(f"say which one; {len(found)} alerts are {' or '.join(states)}:\n{names}")
        return str(found[0]["id"])
