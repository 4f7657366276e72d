"""The web application: Meta's paths, the control API, and the page with a phone."""

from pathlib import Path

from aiohttp import web

from graph_emulator.control.routes import routes as control_routes
from graph_emulator.emulator import Emulator
from graph_emulator.graph_api import media, objects
from graph_emulator.graph_api.messages import post_marketing_message, post_message
from graph_emulator.graph_api.serving import EMULATOR, Call, graph
from graph_emulator.graph_errors import GraphError
from graph_emulator.state.media import DOCUMENT_MAX, DOWNLOAD_PATH

PAGE = Path(__file__).with_name("page.html")
_BODY_MAX = DOCUMENT_MAX + 1024 * 1024
_V = r"/{version:v\d+\.\d+}"


def build_app(emulator: Emulator) -> web.Application:
    """Serve `emulator`; it is opened and closed with the application."""
    app = web.Application(client_max_size=_BODY_MAX)
    app[EMULATOR] = emulator
    app.on_startup.append(_open)
    app.on_cleanup.append(_close)
    app.router.add_routes(_graph_routes())
    app.router.add_routes(control_routes())
    app.router.add_get("/", _page)
    return app


def _graph_routes() -> list[web.RouteDef]:
    """The messages route comes first: the router asks in order, and nearly every call is one of these."""
    return [
        web.post(_V + "/{id}/messages", graph(post_message)),
        web.post(_V + "/{id}/marketing_messages", graph(post_marketing_message)),
        web.post(_V + "/{id}/media", graph(media.upload)),
        web.post(_V + "/{id}/register", graph(objects.register)),
        web.post(_V + "/{id}/deregister", graph(objects.deregister)),
        web.get(_V + "/{id}/phone_numbers", graph(objects.get_phone_numbers)),
        web.get(_V + "/{id}/subscribed_apps", graph(objects.get_subscriptions)),
        web.post(_V + "/{id}/subscribed_apps", graph(objects.subscribe)),
        web.delete(_V + "/{id}/subscribed_apps", graph(objects.unsubscribe)),
        web.get(_V + "/oauth/access_token", graph(objects.exchange_code)),
        web.get("/oauth/access_token", graph(objects.exchange_code)),
        web.get(_V + "/debug_token", graph(objects.debug_token)),
        web.get("/debug_token", graph(objects.debug_token)),
        web.get(_V + "/{id}", graph(objects.get_object)),
        web.post(_V + "/{id}", graph(objects.post_object)),
        web.delete(_V + "/{id}", graph(media.delete)),
        web.get(DOWNLOAD_PATH, graph(media.download)),
        web.route("*", _V + "/{path:.*}", graph(_unknown_path)),
    ]


async def _open(app: web.Application) -> None:
    await app[EMULATOR].open()


async def _close(app: web.Application) -> None:
    await app[EMULATOR].close()


async def _unknown_path(call: Call) -> web.StreamResponse:
    raise GraphError(2500, message=f"Unknown path components: /{call.request.match_info['path']}")


async def _page(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE, headers={"Cache-Control": "no-cache"})
