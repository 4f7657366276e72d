"""The sender as an ASGI application: its routes and health checks."""

from collections.abc import Callable
from typing import Any

from litestar import Litestar

from common.contracts.sends import SendRequest
from common.http.auth import require
from common.http.exception_handlers import exception_handlers
from common.http.openapi import documents
from common.http.request_metrics import measured
from common.http.service.health import health_routes
from common.http.uploads.capacity import Capacity
from sender.api.batch import Batch
from sender.api.batch_route import Admission
from sender.api.media import UploadLimits, media_route
from sender.api.openapi import add_models
from sender.api.routes import send_router
from sender.clock import utc_now
from sender.service import Sender
from sender.settings import Settings

_IDLE_SECONDS = 60.0


def build_app(settings: Settings) -> Litestar:
    """The service as an ASGI app. It contacts nothing before its lifespan begins."""
    sender = Sender(settings)
    router = send_router(
        publisher=sender.publisher,
        accounts=sender.accounts,
        standings=sender.standings(),
        warning_finder=sender.warning_finder(),
        cancel=sender.cancellation.cancel,
        number_of=sender.number_store.of_chatbot,
        media=media_route(
            client=sender.media_client,
            accounts=sender.accounts,
            credentials=sender.credentials,
            on_rejected=sender.rejection_reports.report,
            limits=UploadLimits(
                seconds=settings.graph_upload_seconds,
                places=Capacity(settings.sender_uploads, "uploads", each=settings.sender_uploads_of_chatbot),
                spool=sender.spool,
            ),
            now=utc_now,
        ),
        batches=Admission(settings.sender_batch_bytes),
        guard=require("send", settings.api_keys),
        now=utc_now,
    )
    health = health_routes(
        {
            "mongo": sender.mongo.reachable,
            "indexes": sender.indexes.ready,
            "publisher": sender.publisher.reachable,
            "sends": _now(lambda: sender.group.ready),
            "accounts": _now(lambda: sender.accounts.ready),
            "statuses": _now(lambda: sender.status_follower.ready),
        },
        alive=lambda: sender.group.stuck_seconds() < _IDLE_SECONDS,
    )
    app = Litestar(
        [router, *health],
        lifespan=sender.lifespans(),
        middleware=[measured],
        exception_handlers=exception_handlers(),
        openapi_config=documents("sender"),
        logging_config=None,
    )
    add_models(app, SendRequest, Batch)
    return app


def _now(check: Callable[[], bool]) -> Callable[[], Any]:
    async def answer() -> bool:
        return check()

    return answer
