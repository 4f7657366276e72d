"""Wiring of accounts: the one place that constructs its clients."""

from dataclasses import dataclass

from litestar import Litestar
from litestar.plugins.pydantic import PydanticPlugin

from accounts.announcer import Announcer
from accounts.core import Keys
from accounts.renewal import DigestRenewal
from accounts.routes import MetaVerification, internal_routes, public_routes
from accounts.settings import Settings
from accounts.store import AccountStore
from common.contracts.accounts import AccountChanged
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS
from common.http.auth import require
from common.http.exception_handlers import exception_handlers
from common.http.openapi import documents
from common.http.request_metrics import measured
from common.http.service.health import health_routes
from common.http.service.internal_app import internal_app
from common.http.service.lifespans import closing, running
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from common.meta.onboarding import Onboarding
from common.mongo import Mongo
from common.mongo.indexes import Indexes

_ACCOUNT = decoder(AccountChanged)


@dataclass(frozen=True, slots=True)
class Apps:
    """The public application, which owns the clients, and the internal one beside it."""

    public: Litestar
    internal: Litestar


def build_apps(settings: Settings) -> Apps:
    """Both applications; they start without Kafka and MongoDB, and are ready when both are."""
    mongo = Mongo(settings)
    store = AccountStore(mongo)
    indexes = Indexes(store.ensure_indexes)
    publisher = Publisher(settings)
    topic = Table(settings, ACCOUNTS.name, lambda value: decode(_ACCOUNT, value).data)
    keys = Keys(settings.key_ring(), settings.digest_keys())
    announcer = Announcer(
        store, publisher, topic, reconcile_seconds=settings.reconcile_seconds, renewal=DigestRenewal(store, keys)
    )
    onboarding = Onboarding(settings)

    checks = {"mongodb": mongo.reachable, "indexes": indexes.ready, "kafka": publisher.reachable}
    public = Litestar(
        route_handlers=[
            public_routes(
                store,
                announcer,
                keys,
                MetaVerification(onboarding, always=settings.accounts_verify_with_meta),
                require("accounts", settings.api_keys),
            ),
            *health_routes(checks),
        ],
        lifespan=[closing(mongo.close, onboarding.close), running(indexes, publisher, announcer)],
        middleware=[measured],
        plugins=[PydanticPlugin(prefer_alias=True)],
        exception_handlers=exception_handlers(),
        logging_config=None,
        openapi_config=documents("accounts"),
    )
    routes = internal_routes(store, keys.ring, require("credentials", settings.api_keys))
    return Apps(public, internal_app(routes, health_routes(checks)))


def build_app(settings: Settings) -> Litestar:
    """The public application alone, for its OpenAPI document."""
    return build_apps(settings).public
