"""Sections, schemas and operations, put together as one OpenAPI 3.1 document."""

import json
import re
from collections.abc import Iterable
from typing import Final, Protocol

from reconciler.embedded.lifecycle import STATUSES
from reconciler.embedded.openapi.schemas import SCHEMAS, TEXT, Schema, ref
from reconciler.embedded.openapi.sections import SECTIONS, Section

_COUNT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 999_999_999}

_QUERY: Final[dict[str, Schema]] = {
    "id": {"schema": TEXT, "description": "Campaign ID."},
    "name": {"schema": TEXT, "description": "The name, or a part of it."},
    "status": {"schema": {**TEXT, "enum": list(STATUSES)}, "description": "Status of the campaign."},
    "preDeliveryCallback": {"schema": TEXT, "description": "Pre-delivery callback for the campaign."},
    "postDeliveryCallback": {"schema": TEXT, "description": "Post-delivery callback of the campaign."},
    "description": {"schema": {**TEXT, "maxLength": 128}, "description": "The description, or a part of it."},
    "creationTime": {"schema": {"type": "integer", "format": "int64"}, "description": "Creation time."},
    "packages": {"schema": TEXT, "description": "A package that the campaign uses."},
    "page.number": {"schema": _COUNT, "description": "Which page, from 1; the first when it is left out."},
    "page.size": {"schema": _COUNT, "description": "How many items a page has; 10 when it is left out."},
    "page.sort": {"schema": TEXT, "description": "Sort direction."},
}
_PATH: Final = {
    "campaign_id": "ID of the campaign.",
    "gateway_id": "ID of the gateway.",
    "uuid": "ID of the package.",
}
_ERRORS: Final = {
    400: "The request is wrong.",
    401: "The token is missing, wrong or no longer good.",
    403: "The permission is missing.",
    404: "There is no such thing.",
    409: "Not in this status, or it has already happened.",
    413: "The body is too large.",
}
_DESCRIPTION: Final = (
    "Campaigns, their gateways and packages, section by section of the API reference. "
    "Where the reference leaves a gap, this is how the embedded server answers; other servers may leave out "
    "fields of zero value, name the page object otherwise, spell numbers as numbers and errors as plain text."
)


class Described(Protocol):
    """What the document needs to know of an operation."""

    @property
    def name(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def permission(self) -> str | None: ...


def document(operations: Iterable[Described]) -> Schema:
    """The document for `operations`, those of the reference: name, method, path and permission of each.

    The two uploads share a method and a path, and OpenAPI has one operation there: it bears the name of the
    multipart one, and `x-operation-ids` names both by the content type of their bodies.
    """
    found = {operation.name: operation for operation in operations}
    paths: dict[str, dict[str, Schema]] = {}
    for section in SECTIONS:
        operation = found[section.operation]
        methods = paths.setdefault(operation.path, {})
        method = operation.method.lower()
        said = _operation(section, operation.path, operation.permission)
        methods[method] = _both_uploads(methods[method], said) if method in methods else said
    return {
        "openapi": "3.1.0",
        "info": {"title": "Campaign Management API", "version": "2.0", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(section.tag for section in SECTIONS)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The `accessToken` that `GET /api/tokens` answers for HTTP Basic.",
                }
            },
            "schemas": SCHEMAS,
            "responses": {
                str(status): {"description": text, "content": {"application/json": {"schema": ref("Error")}}}
                for status, text in _ERRORS.items()
            },
        },
    }


def written(found: Schema) -> str:
    """The document as the repository keeps it."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _operation(section: Section, path: str, permission: str | None) -> Schema:
    needed = (
        f"Needs the {permission.replace('_', ' ').title()} permission (`{permission}`)."
        if permission
        else "The reference names no permission."
    )
    names = re.findall(r"\{(\w+)\}", path)
    said: Schema = {
        "operationId": section.operation,
        "summary": section.title,
        "description": " ".join(filter(None, [section.text, needed])),
        "tags": [section.tag],
    }
    if permission:
        said["x-permission"] = permission
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": TEXT, "description": _PATH[name]}
        for name in names
    ] + [{"name": name, "in": "query", **_QUERY[name]} for name in section.query]
    body = _body(section)
    if section.operation == "stream-package":
        parameters.append(
            {
                "name": "Content-Disposition",
                "in": "header",
                "schema": TEXT,
                "description": 'The name of a streamed file: `attachment; filename="…"`.',
            }
        )
    if parameters:
        said["parameters"] = parameters
    if body:
        said["requestBody"] = {"required": True, "content": body}
    errors = [401, 403]
    errors += [400] if body or section.query else []
    errors += [404] if names else []
    errors += [409] if section.conflicts else []
    errors += [413] if body else []
    said["responses"] = {
        "200": {"description": "Done.", "content": {"application/json": {"schema": ref(section.answer)}}}
    } | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(errors)}
    return said


def _body(section: Section) -> Schema:
    match section.operation:
        case "upload-package":
            return {"multipart/form-data": {"schema": ref("Upload")}}
        case "stream-package":
            return {"application/octet-stream": {"schema": {**TEXT, "format": "binary"}}}
        case _:
            return {"application/json": {"schema": ref(section.body)}} if section.body else {}


def _both_uploads(first: Schema, second: Schema) -> Schema:
    """Two operations of one method and path as one: either body, and the parameters of both."""
    bodies = [one["requestBody"]["content"] for one in (first, second)]
    return {
        **first,
        "summary": f"{first['summary']}, {second['summary']}",
        "description": f"Multipart: {first['description']} Streaming: {second['description']}",
        "x-operation-ids": {
            kind: one["operationId"]
            for one, body in zip((first, second), bodies, strict=True)
            for kind in body
        },
        "parameters": [*first.get("parameters", []), *second.get("parameters", [])],
        "requestBody": {"required": True, "content": bodies[0] | bodies[1]},
    }
