"""Wiring of ingress: the one place that constructs its clients."""

from litestar import Litestar, asgi

from common.contracts.accounts import AccountChanged, AccountData
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS
from common.http.exception_handlers import exception_handlers
from common.http.openapi import documents
from common.http.service.health import health_routes
from common.http.service.lifespans import closing, running
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from ingress.fast_path import FastPath
from ingress.openapi import webhook_operations
from ingress.reports.refusals import RefusedWebhooks
from ingress.reports.reporter import Reporter
from ingress.routes import PATH, WebhookRoute
from ingress.settings import Settings
from ingress.verify.requests import Verification
from ingress.verify.tokens import VerifyTokens


def build_app(settings: Settings) -> Litestar:
    """The Litestar application alone, for its OpenAPI document."""
    return build_fast_path(settings).app


def build_fast_path(settings: Settings) -> FastPath:
    """The application; it starts without Kafka, and is ready when Kafka is."""
    publisher, for_large = (Publisher(settings, timeout_seconds=settings.publish_timeout_seconds) for _ in range(2))
    changes = decoder(AccountChanged)
    keys = settings.digest_keys() if settings.verify_digest_keys else None
    tokens = VerifyTokens(keys, lambda seconds: accounts.catch_up(seconds))  # noqa: PLW0108  # it is made after this
    refused = RefusedWebhooks()

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
    app.openapi_schema.paths = {PATH: webhook_operations()}
    return FastPath(webhook, app)
