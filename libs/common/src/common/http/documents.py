"""OpenAPI of a service's API, and the page that shows it."""

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, Reference, SecurityScheme

_KEY = "apiKey"
BY_API_KEY = [{_KEY: list[str]()}]
"""For `Router(security=…)`: its routes need a key of `API_KEYS`."""


def documents(service: str, *, keys: bool = True) -> OpenAPIConfig:
    """For `Litestar(openapi_config=…)`: under `/whatsapp-cloud/docs/<service>`. `keys`: whether it has API keys."""
    schemes: dict[str, SecurityScheme | Reference] = {_KEY: SecurityScheme(type="http", scheme="bearer")}
    return OpenAPIConfig(
        title=f"WhatsApp Cloud {service}",
        version="1",
        path=f"/whatsapp-cloud/docs/{service}",
        render_plugins=[SwaggerRenderPlugin()],
        components=Components(security_schemes=schemes if keys else None),
    )
