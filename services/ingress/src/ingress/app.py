"""Wiring of ingress: the one place that constructs its clients."""

from typing import Final

from litestar import Litestar, asgi
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Schema,
)

from common.contracts.accounts import AccountChanged, AccountData
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS
from common.http.exception_handlers import exception_handlers
from common.http.openapi import documents
from common.http.service.health import health_routes
from common.http.service.lifespans import closing, running
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from ingress.fast_path import Front
from ingress.reports.refusals import Refused
from ingress.reports.reporter import Reporter
from ingress.routes import MAX_BODY_BYTES, PATH, WebhookRoute
from ingress.settings import Settings
from ingress.verify.requests import Verification
from ingress.verify.tokens import VerifyTokens

_BODY: Final = Schema(type=OpenAPIType.OBJECT, description="as Meta sends it")
_TAKEN: Final = Schema(
    type=OpenAPIType.OBJECT, required=["success"], properties={"success": Schema(type=OpenAPIType.BOOLEAN, const=True)}
)
_TEXT: Final = Schema(type=OpenAPIType.STRING)
_REFUSED: Final = Schema(
    type=OpenAPIType.OBJECT,
    required=["success", "error"],
    properties={
        "success": Schema(type=OpenAPIType.BOOLEAN, const=False),
        "error": Schema(
            type=OpenAPIType.OBJECT, required=["code", "message"], properties={"code": _TEXT, "message": _TEXT}
        ),
    },
)


def build_app(settings: Settings) -> Litestar:
    """The application without its front, for its documents."""
    return build_front(settings).app


def build_front(settings: Settings) -> Front:
    """The application; it starts without Kafka, and is ready when Kafka is."""
    publisher, for_large = (Publisher(settings, timeout_seconds=settings.publish_timeout_seconds) for _ in range(2))
    changes = decoder(AccountChanged)
    keys = settings.digest_keys() if settings.verify_digest_keys else None
    tokens = VerifyTokens(keys, lambda seconds: accounts.catch_up(seconds))  # noqa: PLW0108  # it is made after this
    refused = Refused()

    def changed(chatbot_id: str, account: AccountData | None) -> None:
        tokens.changed(chatbot_id, account)
        refused.account_changed(chatbot_id, account)

    accounts: Table[AccountData] = Table(settings, ACCOUNTS.name, lambda value: decode(changes, value).data, changed)
    token = settings.whatsapp_verify_token
    verification = Verification(token.get_secret_value() if token else None, tokens)
    webhook = WebhookRoute(
        settings.app_secrets(),
        publisher.publish,
        verification,
        for_large.publish,
        refused,
    )
    reporter = Reporter(refused, publisher.publish, takes=bool(settings.whatsapp_app_secrets))

    async def accounts_read() -> bool:
        return accounts.ready

    app = Litestar(
        route_handlers=[
            asgi(PATH, copy_scope=False)(webhook.__call__),
            *health_routes({"kafka": publisher.reachable, "accounts": accounts_read}),
        ],
        lifespan=[running(publisher, for_large, accounts, reporter), closing(verification.stop)],
        exception_handlers=exception_handlers(),
        logging_config=None,
        openapi_config=documents("ingress", keys=False),
    )
    app.openapi_schema.paths = {PATH: _documented()}
    return Front(webhook, app)


def _documented() -> PathItem:
    """The raw route in the words of OpenAPI, which Litestar cannot find out by itself."""
    query = [
        Parameter(name=f"hub.{name}", param_in="query", required=True, schema=Schema(type=OpenAPIType.STRING))
        for name in ("mode", "verify_token", "challenge")
    ]
    signature = Parameter(
        name="x-hub-signature-256", param_in="header", required=True, schema=Schema(type=OpenAPIType.STRING)
    )
    return PathItem(
        get=Operation(
            operation_id="verifyWebhook",
            tags=["webhook"],
            summary="Meta's verification of the endpoint",
            parameters=list(query),
            responses={
                "200": OpenAPIResponse(
                    description="the challenge",
                    content={"text/plain": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))},
                ),
                "403": _refusal(
                    "the verify token is not known",
                    "forbidden",
                    "hub.mode must be `subscribe` and hub.verify_token a known one",
                ),
            },
        ),
        post=Operation(
            operation_id="receiveWebhook",
            tags=["webhook"],
            summary="Webhook updates from Meta, up to 3 MB, signed over the raw body",
            parameters=[signature],
            request_body=RequestBody({"application/json": OpenAPIMediaType(schema=_BODY)}, required=True),
            responses={
                "200": OpenAPIResponse(
                    description="every event of the body is stored on all in-sync replicas",
                    content={"application/json": OpenAPIMediaType(schema=_TAKEN)},
                ),
                "400": _refusal(
                    "the signature is missing or wrong",
                    "invalid_signature",
                    "x-hub-signature-256 is missing or does not sign this body",
                ),
                "413": _refusal(
                    "the body is above 3 MB", "too_large", f"a webhook body has at most {MAX_BODY_BYTES} bytes"
                ),
                "503": _refusal(
                    "Kafka did not confirm in time, or too much waits for it; deliver again",
                    "kafka_unavailable",
                    "Kafka does not answer; try again",
                ),
            },
        ),
    )


def _refusal(description: str, code: str, message: str) -> OpenAPIResponse:
    example = Example(value={"success": False, "error": {"code": code, "message": message}})
    content = OpenAPIMediaType(schema=_REFUSED, examples={code: example})
    return OpenAPIResponse(description=description, content={"application/json": content})
