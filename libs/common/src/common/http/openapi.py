"""OpenAPI of a service's API, and the page that shows it, which needs no internet."""

from importlib.metadata import files
from pathlib import Path
from typing import Final

from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, Reference, SecurityScheme
from litestar.params import FromPath

_KEY = "apiKey"
BY_API_KEY = [{_KEY: list[str]()}]
"""For `Router(security=…)`: its routes need a key of `API_KEYS`."""

_PACKAGE: Final = "swagger-ui-py"
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_DAY: Final = {"cache-control": "public, max-age=86400"}


class _OwnAssets(SwaggerRenderPlugin):
    """Swagger UI with the assets of an installed package instead of a public server's."""

    def __init__(self, base: str) -> None:
        super().__init__(
            js_url=f"{base}/assets/swagger-ui-bundle.js",
            css_url=f"{base}/assets/swagger-ui.css",
            standalone_preset_js_url=f"{base}/assets/swagger-ui-standalone-preset.js",
            favicon=f"<link rel='icon' type='image/png' href='{base}/assets/favicon-32x32.png'>",
        )

    def receive_router(self, router: Router) -> None:
        """Serve the assets beside the page."""
        super().receive_router(router)
        router.register(_asset)


@get("/assets/{name:str}", include_in_schema=False, sync_to_thread=True)
def _asset(name: FromPath[str]) -> Response[bytes]:
    if name not in _ASSETS:
        raise NotFoundException(f"there is no asset `{name[:100]}`")
    return Response(_located(name).read_bytes(), media_type=_ASSETS[name], headers=_DAY)


def _located(name: str) -> Path:
    """Where the package has a file. Found without an import, which would import what it supports."""
    for path in files(_PACKAGE) or ():
        if path.name == name:
            return Path(str(path.locate()))
    raise RuntimeError(f"the package {_PACKAGE} has no {name}: it is a dependency of common, install it anew")


def documents(service: str, *, keys: bool = True) -> OpenAPIConfig:
    """For `Litestar(openapi_config=…)`: under `/whatsapp-cloud/docs/<service>`. `keys`: whether it has API keys."""
    schemes: dict[str, SecurityScheme | Reference] = {_KEY: SecurityScheme(type="http", scheme="bearer")}
    base = f"/whatsapp-cloud/docs/{service}"
    return OpenAPIConfig(
        title=f"WhatsApp Cloud {service}",
        version="1",
        path=base,
        render_plugins=[_OwnAssets(base)],
        components=Components(security_schemes=schemes if keys else None),
    )
