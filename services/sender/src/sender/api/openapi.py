"""OpenAPI for handlers that read their body themselves, so that their errors name each wrong field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Litestar
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, Reference, RequestBody
from pydantic import BaseModel

_AT: Final = "#/components/schemas/{model}"


def body_of(model: type[BaseModel], examples: Mapping[str, Any]) -> type[Operation]:
    """An operation whose body has the schema of `model`, with examples by title.

    The application has to call `add_models` with the same model.
    """

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            shown: Any = {title: Example(value=value) for title, value in examples.items()}
            schema = Reference(ref=_AT.format(model=model.__name__))
            self.request_body = RequestBody(
                {"application/json": OpenAPIMediaType(schema=schema, examples=shown)}, required=True
            )

    return WithBody


def add_models(app: Litestar, *models: type[BaseModel]) -> None:
    """Add the schemas of these models, and of all that they contain, to the application's document."""
    schemas: dict[str, Any] = app.openapi_schema.components.schemas
    for model in models:
        schema = model.model_json_schema(ref_template=_AT)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
