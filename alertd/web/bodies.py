"""Reads what a request carries: JSON bodies and query parameters, bounded and typed."""

import asyncio
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from alertd.core.errors import Problem
from alertd.core.jsontext import BrokenText, json_text
from alertd.core.problems import problems_of
from alertd.web.problems import (
    BrokenBody,
    InvalidRequest,
    TooLarge,
    TooSlow,
    UnsupportedMedia,
)

Model = TypeVar("Model", bound=BaseModel)


_PATIENCE_S = 30.0  # for a whole body


async def read_bytes(request: web.Request, limit: int) -> bytes:
    """Give the body; raises TooLarge as soon as it is known to be beyond `limit`, TooSlow."""
    if (request.content_length or 0) > limit:
        raise TooLarge(f"at most {limit} bytes are read here")
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(f"at most {limit} bytes are read here")
    except TimeoutError:
        raise TooSlow(f"the body must be here within {_PATIENCE_S:.0f} seconds") from None
    return bytes(body)


async def read_body(request: web.Request, model: type[Model], limit: int) -> Model:
    """Read the JSON body as `model`; a model without fields may also come without a body."""
    body = await read_bytes(request, limit)
    if not body and not model.model_fields:
        return model()
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in {
        "utf-8",
        "utf8",
    }:
        raise UnsupportedMedia("the body must be application/json in UTF-8")
    try:
        return model.model_validate_json(json_text(body, limit=limit))
    except BrokenText as error:
        raise BrokenBody(f"the body {error}") from None
    except ValidationError as error:
        raise InvalidRequest(problems_of(error)) from None


def read_query(request: web.Request, model: type[Model]) -> Model:
    """Read the query as `model`; an unknown or repeated parameter is refused by name."""
    repeated = sorted(name for name in set(request.query) if len(request.query.getall(name)) > 1)
    if repeated:
        raise InvalidRequest([Problem(name, "is given more than once") for name in repeated])
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        raise InvalidRequest(problems_of(error)) from None
