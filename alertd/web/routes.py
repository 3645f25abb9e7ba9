"""A route says once what the router, the authorisation and the OpenAPI document need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from alertd.pipeline.jurisdiction import hold
from alertd.tools import Actor, Tools
from alertd.web import auth, bodies
from alertd.web.problems import Handler

Body = TypeVar("Body", bound=BaseModel)
Query = TypeVar("Query", bound=BaseModel)

Reader = Callable[[Tools, bytes], Awaitable[tuple[Any, object]]]
"""Reads a body that is no JSON: gives the model, and what else it says."""

# What a path parameter may look like; anything else is an unknown path.
PARAMETERS: Mapping[str, str] = {
    "id": "[0-9a-z]{1,20}",
    "number": "[0-9]{1,18}",
    "digest": "[0-9a-f]{64}",
}


@dataclass(frozen=True, slots=True)
class Header:
    """One header that a route reads or gives; what is missing its handler refuses."""

    name: str
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler gives back; the status is the route's."""

    value: BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None  # in the route's media type


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Query]):
    """One authorised request, read and validated."""

    tools: Tools
    actor: Actor
    request: web.Request
    body: Body
    query: Query
    origin: object = None  # what a reader of another format tells besides

    def path(self, name: str) -> str:
        return self.request.match_info[name]

    @property
    def alert_id(self) -> str:
        return self.path("id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Body, Query]):
    method: str
    path: str
    summary: str
    run: Callable[[Call[Body, Query]], Awaitable[Reply]]
    roles: frozenset[str]
    body: type[Body]
    query: type[Query]
    reply: type[BaseModel] | None = None
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[Header, ...] = ()
    problems: tuple[type[Exception], ...] = ()
    gives: tuple[Header, ...] = ()
    readers: Mapping[str, Reader] = field(default_factory=dict)  # by media type, beside JSON
    body_bytes: int | None = None  # largest body, where it is not the common bound
    media_type: str | None = None  # of the answer, where it is no JSON

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def pattern(self) -> str:
        """Give the path as aiohttp's router wants it, parameters bounded."""
        found = self.path
        for name in self.parameters:
            found = found.replace(f"{{{name}}}", f"{{{name}:{PARAMETERS[name]}}}")
        return found

    @property
    def of_alert(self) -> bool:
        """Tell whether its path names an alert, which its caller then has to see."""
        return self.path.startswith("/api/v1/alerts/{id}")

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


AnyRoute = Route[Any, Any]


def serve(
    app: web.Application, tools: Tools, table: Iterable[AnyRoute], *, body_bytes: int
) -> None:
    """Add every route of `table` to `app`, each behind its own roles."""
    for route in table:
        app.router.add_route(route.method, route.pattern, _handler(tools, route, body_bytes))


def _handler(tools: Tools, route: AnyRoute, body_bytes: int) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        actor = await auth.authorise(tools, request, route.roles)
        if route.of_alert:
            alert_id, deciding = request.match_info["id"], route.method != "GET"
            await hold(tools, actor, alert_id, deciding=deciding)
        query = bodies.read_query(request, route.query)
        origin = None
        if (reader := route.readers.get(request.content_type)) is not None:
            data = await bodies.read_bytes(request, route.body_bytes or body_bytes)
            body, origin = await reader(tools, data)
        else:
            body = await bodies.read_body(request, route.body, body_bytes)
        reply = await route.run(Call(tools, actor, request, body, query, origin))
        return _respond(reply, route)

    return handle


def _respond(reply: Reply, route: AnyRoute) -> web.Response:
    if reply.value is None:
        return web.Response(
            status=route.status,
            body=reply.body,
            content_type=None if reply.body is None else route.media_type,
            headers=reply.headers,
        )
    return web.Response(
        status=route.status,
        body=reply.value.model_dump_json().encode(),
        content_type="application/json",
        headers=reply.headers,
    )
