"""Errors as RFC 9457 problem documents, from one table."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from traceback import walk_tb

import structlog
from aiohttp import web
from pydantic import BaseModel

from alertd.core.errors import (
    AlertdError,
    Busy,
    Conflict,
    DiskFull,
    Gone,
    InvalidAlert,
    NotAllowed,
    NotFound,
    Problem,
    Refused,
    StaleVersion,
    StoreBusy,
)

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "/api/v1/docs#"

log = structlog.get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class InvalidRequest(InvalidAlert):
    """A parameter, header or field of the request is unknown, missing or wrong."""


class BrokenBody(Refused):
    """The body is not JSON in UTF-8."""


class UnsupportedMedia(Refused):
    """The body's media type is not one that is read here."""


class TooSlow(Refused):
    """The body did not come in time."""


class TooLarge(Refused):
    """The body is larger than what is read here."""


class NotAuthenticated(Refused):
    """No bearer token, or none that holds now."""


class NotIdentical(Refused):
    """`If-Match` is missing; it says which version the change was made to."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one class of errors is shown."""

    status: HTTPStatus
    name: str
    title: str


KINDS: Mapping[type[Exception], Kind] = {
    InvalidAlert: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-fields", "Some fields cannot be accepted"
    ),
    BrokenBody: Kind(HTTPStatus.BAD_REQUEST, "broken-body", "The body cannot be read"),
    NotAuthenticated: Kind(
        HTTPStatus.UNAUTHORIZED, "not-authenticated", "A valid bearer token is needed"
    ),
    NotAllowed: Kind(HTTPStatus.FORBIDDEN, "not-allowed", "This person may not do this"),
    NotFound: Kind(HTTPStatus.NOT_FOUND, "not-found", "There is no such thing"),
    Conflict: Kind(HTTPStatus.CONFLICT, "conflict", "The present state does not allow this"),
    StaleVersion: Kind(
        HTTPStatus.PRECONDITION_FAILED, "stale-version", "It was changed since it was read"
    ),
    Gone: Kind(HTTPStatus.GONE, "gone", "It is no longer published"),
    TooSlow: Kind(HTTPStatus.REQUEST_TIMEOUT, "too-slow", "The body did not come in time"),
    TooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "The body is too large"),
    UnsupportedMedia: Kind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Send JSON in UTF-8"
    ),
    NotIdentical: Kind(
        HTTPStatus.PRECONDITION_REQUIRED, "precondition-required", "If-Match is needed"
    ),
    Busy: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "Try again in a few seconds"),
    StoreBusy: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "Try again in a few seconds"),
    DiskFull: Kind(
        HTTPStatus.INSUFFICIENT_STORAGE, "disk-full", "The disk is full: call the operator"
    ),
}
WRONG_METHOD = Kind(HTTPStatus.METHOD_NOT_ALLOWED, "wrong-method", "This path takes other methods")
DEFECT = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "defect", "Something went wrong on our side")


class FieldProblem(BaseModel):
    field: str
    message: str


class ProblemDocument(BaseModel):
    """RFC 9457. `errors` lists every bad field; `other` names the alert that stands in the way."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldProblem] | None = None
    other: str | None = None


def kind_of(error: BaseException | type[BaseException]) -> Kind:
    """Give the table's row of the nearest class."""
    found = error if isinstance(error, type) else type(error)
    return next((KINDS[c] for c in found.__mro__ if c in KINDS), DEFECT)


def answer(
    kind: Kind,
    *,
    detail: str | None = None,
    errors: Sequence[Problem] = (),
    other: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    document = ProblemDocument(
        type=TYPE_BASE + kind.name,
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=[FieldProblem(field=p.field, message=p.message) for p in errors] or None,
        other=other,
    )
    return web.Response(
        status=kind.status,
        body=document.model_dump_json(exclude_none=True).encode(),
        content_type=MEDIA_TYPE,
        headers=headers,
    )


def answer_error(error: Exception) -> web.Response:
    kind = kind_of(error)
    if kind is DEFECT:
        # Our own errors promise to hold no personal data; anybody else's may quote some.
        said = str(error) if isinstance(error, AlertdError) else None
        log.error("http.defect", error=type(error).__name__, said=said, at=places(error))
        return answer(kind)
    headers: dict[str, str] = {}
    if kind.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="alertd"'
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "2"
    invalid = isinstance(error, InvalidAlert)
    response = answer(
        kind,
        # A store's text is about the database; a list of fields says it better than one line.
        detail=str(error) if isinstance(error, Refused) and not invalid else None,
        errors=error.problems if isinstance(error, InvalidAlert) else (),
        other=error.other if isinstance(error, Conflict) else None,
        headers=headers,
    )
    if isinstance(error, TooLarge | TooSlow):
        response.force_close()
    return response


def places(error: BaseException) -> list[str]:
    """Name the lines an error passed through; its text may quote data and is left out."""
    return [
        f"{frame.f_code.co_filename.rpartition('/')[2]}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(error.__traceback__)
    ][-8:]


def _answer_http(error: web.HTTPException) -> web.StreamResponse:
    """Dress what aiohttp itself refuses: unknown paths, wrong methods, broken requests."""
    if error.status < HTTPStatus.BAD_REQUEST:
        return error
    status = HTTPStatus(error.status)
    plain = Kind(status, status.phrase.lower().replace(" ", "-"), status.phrase)
    kept = {name: value for name, value in error.headers.items() if name == "Allow"}
    return answer(_OF_AIOHTTP.get(status, plain), headers=kept)


_OF_AIOHTTP = {HTTPStatus.NOT_FOUND: KINDS[NotFound], HTTPStatus.METHOD_NOT_ALLOWED: WRONG_METHOD}


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem document."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _answer_http(error)
    except Exception as error:  # noqa: BLE001 - the last resort: answered 500, logged, never shown
        return answer_error(error)


def catalogue() -> list[Kind]:
    """Give every kind of problem once, by status."""
    rows = {kind.name: kind for kind in (*KINDS.values(), WRONG_METHOD, DEFECT)}
    return sorted(rows.values(), key=lambda kind: kind.status)
