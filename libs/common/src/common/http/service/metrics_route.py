"""`/metrics`, for Prometheus; with exemplars (trace ids) for a reader that asks for OpenMetrics."""

from typing import Annotated

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder


def metrics_route() -> HTTPRouteHandler:
    """The route. It reads on the event loop, because the sampled values belong to it."""

    @get("/metrics", include_in_schema=False, sync_to_thread=False)
    def metrics(accept: Annotated[str, HeaderParameter(name="accept")] = "") -> Response[bytes]:
        encode, content_type = choose_encoder(accept)
        return Response(encode(REGISTRY), media_type=content_type)

    return metrics
