"""The OpenAPI 3.1 document, generated from the routes."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from alertd.core.errors import NotAllowed
from alertd.web.problems import (
    MEDIA_TYPE,
    BrokenBody,
    InvalidRequest,
    NotAuthenticated,
    ProblemDocument,
    TooLarge,
    TooSlow,
    UnsupportedMedia,
    kind_of,
)
from alertd.web.routes import PARAMETERS, AnyRoute, Header

_REF = "#/components/schemas/{model}"
Schemas = Mapping[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]]


def document(routes: Sequence[AnyRoute], *, version: str) -> dict[str, Any]:
    """Give the whole API as one OpenAPI document."""
    made, definitions = models_json_schema(_models(routes), ref_template=_REF)
    schemas = cast("Schemas", made)  # pydantic's key also allows dataclasses
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alertd",
            "version": version,
            "description": "Submit, approve, dispatch and end child alerts.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models(routes: Iterable[AnyRoute]) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
        (ProblemDocument, "serialization"): None
    }
    for route in routes:
        if route.body.model_fields:
            wanted[route.body, "validation"] = None
        if route.reply:
            wanted[route.reply, "serialization"] = None
    return list(wanted)


def _operation(route: AnyRoute, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Roles: {', '.join(sorted(route.roles))}.",
        "parameters": [
            *map(_path_parameter, route.parameters),
            *_query_parameters(route.query),
            *map(_header_parameter, route.headers),
        ],
        "responses": _responses(route, schemas),
        "security": [{"token": []}],
    }
    if route.body.model_fields or route.readers:
        content = {media_type: {"schema": {"type": "string"}} for media_type in route.readers}
        if route.body.model_fields:
            content["application/json"] = {"schema": schemas[route.body, "validation"]}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    shape = {"type": "string", "pattern": f"^{PARAMETERS[name]}$"}
    return {"name": name, "in": "path", "required": True, "schema": shape}


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _inlined(field, schema.get("$defs", {})),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Give `schema` without references: a parameter stands alone."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _header_parameter(header: Header) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "required": header.required,
        "description": header.meaning,
        "schema": {"type": "string"},
    }


def _responses(route: AnyRoute, schemas: Schemas) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.reply:
        schema = schemas[route.reply, "serialization"]
        good["content"] = {"application/json": {"schema": schema}}
    elif route.media_type:
        good["content"] = {route.media_type: {"schema": {"type": "string", "format": "binary"}}}
    if route.gives:
        good["headers"] = {
            header.name: {"description": header.meaning, "schema": {"type": "string"}}
            for header in route.gives
        }
    responses = {str(int(route.status)): good}
    problem = schemas[ProblemDocument, "serialization"]
    for error in sorted(problems_of(route), key=lambda error: kind_of(error).status):
        kind = kind_of(error)
        responses[str(int(kind.status))] = {
            "description": kind.title,
            "content": {MEDIA_TYPE: {"schema": problem}},
        }
    return responses


def problems_of(route: AnyRoute) -> set[type[Exception]]:
    """Give what a route may refuse: what it names, and what stands in front of every route."""
    found: set[type[Exception]] = {NotAuthenticated, NotAllowed, *route.problems}
    if route.query.model_fields or route.body.model_fields:
        found.add(InvalidRequest)
    if route.body.model_fields or route.readers:
        found |= {BrokenBody, TooLarge, TooSlow, UnsupportedMedia}
    return found
