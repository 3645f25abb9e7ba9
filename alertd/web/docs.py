"""The API's documentation for people, made from the OpenAPI document."""

import json
from typing import Any

from aiohttp import web

from alertd.web.pages import page, table, tag
from alertd.web.problems import Kind


def docs_page(document: dict[str, Any], kinds: list[Kind]) -> web.Response:
    info = document["info"]
    parts = [
        tag("p", info["description"]),
        '<p>The same for programs: <a href="openapi.json">openapi.json</a></p>',
        tag("p", "Send `Authorization: Bearer <token>` with every request."),
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(method.upper(), path, operation)
    parts.append(tag("h2", "Problems"))
    parts += [_problem(kind) for kind in kinds]
    parts.append(tag("h2", "Schemas"))
    for name, schema in document["components"]["schemas"].items():
        parts += [tag("h3", name, id=name), tag("pre", _json(schema))]
    return page(f"{info['title']} {info['version']}: API", "\n".join(parts))


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    parts = [
        tag("h2", f"{method} {path}", id=operation["operationId"]),
        tag("p", f"{operation['summary']} {operation['description']}"),
    ]
    if operation["parameters"]:
        parts.append(table((p["name"], _parameter(p)) for p in operation["parameters"]))
    if body := operation.get("requestBody"):
        parts.append(f"<p>Body: {_reference(body['content'])}</p>")
    answers = operation["responses"].items()
    parts.append(table((status, answer["description"]) for status, answer in answers))
    good = next(answer for status, answer in answers if status < "400")
    if content := good.get("content"):
        parts.append(f"<p>Answer: {_reference(content)}</p>")
    return parts


def _parameter(parameter: dict[str, Any]) -> str:
    needed = "needed" if parameter["required"] else "optional"
    said = parameter.get("description") or _json(parameter["schema"])
    return f"{parameter['in']}, {needed}. {said}"


def _reference(content: dict[str, Any]) -> str:
    for each in content.values():
        if reference := each["schema"].get("$ref"):
            name = reference.rpartition("/")[2]
            return tag("a", name, href=f"#{name}")
    return tag("span", ", ".join(content))


def _problem(kind: Kind) -> str:
    return tag("p", f"{int(kind.status)} {kind.name}: {kind.title}", id=kind.name)


def _json(schema: Any) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False)
