"""What of the OpenAPI document does not follow from the routes' types."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from kinema.motion.schema import schema
from kinema_apps.service import wire

#: The body of a new job.
CREATE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo", "job"],
                    "properties": {
                        "photo": {
                            "type": "string",
                            "format": "binary",
                            "description": "JPEG, PNG or WebP.",
                        },
                        "job": {"$ref": "#/components/schemas/JobRequest"},
                        "last_image": {
                            "type": "string",
                            "format": "binary",
                            "description": "The frame to end at, for backbones that read it.",
                        },
                        "plate": {
                            "type": "string",
                            "format": "binary",
                            "description": "What is behind all that moves, for backbones that "
                            "read it.",
                        },
                        "references": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Further pictures, for backbones that read them.",
                        },
                    },
                    "additionalProperties": False,
                },
                "encoding": {
                    "photo": {"contentType": "image/jpeg, image/png, image/webp"},
                    "job": {"contentType": "application/json"},
                },
            }
        },
    }
}


def document(app: FastAPI, tokens: bool) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    made: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for model in (wire.JobRequest, wire.Problem, wire.JobEvent):
        told = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(told.pop("$defs", {}))
        schemas[model.__name__] = told
    schemas.update(_motion())
    # Kinema itself checks it, and says where it is wrong.
    schemas["JobRequest"]["properties"]["motion"] = {"$ref": "#/components/schemas/Motion"}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)  # errors are told as problems
    if tokens:
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
    return made


def _motion() -> dict[str, Any]:
    """The schema of motion files, its parts as components."""
    text = json.dumps(schema()).replace("#/$defs/", "#/components/schemas/Motion-")
    whole: dict[str, Any] = json.loads(text)
    parts = {f"Motion-{name}": part for name, part in whole.pop("$defs").items()}
    for key in ("$schema", "$id"):
        whole.pop(key, None)
    # Files of the server are out of reach, so a mask is embedded.
    region = parts["Motion-region"]
    region["properties"].pop("mask", None)
    region["oneOf"] = [way for way in region["oneOf"] if way["required"] != ["mask"]]
    return {"Motion": whole, **parts}
