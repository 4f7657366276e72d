"""OpenAPI for handlers that read their body themselves, to name what is wrong field by field."""

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody
from pydantic import BaseModel

_POINTER = "#/paths/{path}/post/requestBody/content/application~1json/schema/$defs/{{model}}"


def body_of(model: type[BaseModel], path: str) -> type[Operation]:
    """An operation of `POST path` whose body has the schema of `model`."""
    template = _POINTER.format(path=path.replace("/", "~1"))

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            schema: Any = model.model_json_schema(ref_template=template)
            self.request_body = RequestBody({"application/json": OpenAPIMediaType(schema=schema)}, required=True)

    return WithBody
