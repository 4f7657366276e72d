"""MongoDB: the driver is imported in this folder alone (docs/decisions/0002).

Every collection is written with majority and journal, so what a service has acted on survives any one node.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from bson.codec_options import CodecOptions, TypeRegistry
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from common.mongo.failover.primary import PrimaryWatch
from common.mongo.pymongo_patch import interrupt, patch_waiting
from common.mongo.rejected_documents import PlainIntegers, PlainReferences
from common.telemetry.metrics import MONGODB_LOST_SECONDS
from common.telemetry.outages import MONGODB

Document = dict[str, Any]
Database = AsyncDatabase[Document]

SELECTION_SECONDS: Final = 5
"""How long an operation waits for a primary."""

OPERATION_SECONDS: Final = 30
"""How long an operation waits for each answer of MongoDB; `long_operation` waits longer."""

_TYPES: Final = TypeRegistry([PlainReferences(), PlainIntegers()])


class MongoSettings(BaseSettings):
    """Connection settings, from `MONGODB_*` environment variables."""

    # A refused setting is otherwise shown with what was given, the password too.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    mongodb_uri: Annotated[SecretStr, Field(description="connection string; a replica set, for transactions")] = (
        SecretStr("mongodb://localhost:27017/?replicaSet=rs0")
    )
    mongodb_database: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            pattern=r"^[^/\\. \"$*<>:|?]+$",
            description="name of the database; one for all services",
        ),
    ] = "whatsapp_cloud"

    @field_validator("mongodb_uri")
    @classmethod
    def _well_formed(cls, value: SecretStr) -> SecretStr:
        """The driver's own words are not shown, because they may quote a part of the password."""
        # Without the look-up of SRV, which needs the network and is done when connecting.
        plain = value.get_secret_value().replace("mongodb+srv://", "mongodb://", 1)
        try:
            parse_uri(plain, warn=True)
        except (PyMongoError, ValueError):
            raise ValueError(
                "it is not a connection string like mongodb://user:password@host:27017/?replicaSet=rs0; in user and"
                " password anything but letters and digits is percent-encoded"
            ) from None
        return value


class StaleReadSettings(BaseSettings):
    """How old what a secondary shows may be. The same for everyone who reads there, and for `wa erase`."""

    read_stale_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=86_400,
            description="how old a listing of the read API may be that a secondary of MongoDB answers, while the"
            " primary does not answer; 0: none is asked",
        ),
    ] = 300


class Mongo:
    """One client and its database. Connects lazily, so a process starts without MongoDB.

    With `retry_writes` the driver repeats a write whose answer was lost; mongod then notes each write in
    `config.transactions` as well. Where every write may be repeated, and its caller does so, that is not needed
    (docs/decisions/0039). No answer takes longer than `OPERATION_SECONDS`, unless it is not `limited`: a command of an
    operator may read for minutes.
    """

    def __init__(self, settings: MongoSettings, *, retry_writes: bool = True, limited: bool = True) -> None:
        patch_waiting()
        MONGODB.place = f"{_hosts(settings)}: check that MongoDB runs, and MONGODB_URI"
        self.primary = PrimaryWatch(
            lambda: self.client.topology_description, lambda address: interrupt(self.client, address)
        )
        self.client: AsyncMongoClient[Document] = AsyncMongoClient(
            settings.mongodb_uri.get_secret_value(),
            tz_aware=True,
            # Without a primary, an operation should fail before a webhook or a batch times out, not after 30 s.
            serverSelectionTimeoutMS=SELECTION_SECONDS * 1_000,
            connectTimeoutMS=5_000,
            # A member that stands still is given up after this and `connectTimeoutMS`, and what waits for it fails: 7 s
            # instead of 15. A slow one has its 5 s for an answer as before.
            heartbeatFrequencyMS=2_000,
            # A member may answer heartbeats and nothing else, when its disk hangs. By default one would wait for ever.
            socketTimeoutMS=OPERATION_SECONDS * 1_000 if limited else None,
            event_listeners=[self.primary],
            retryWrites=retry_writes,
        )
        self.database: Database = self.client.get_database(
            settings.mongodb_database,
            codec_options=CodecOptions(tz_aware=True, type_registry=_TYPES),
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        self._uncounted: Callable[[], None] = MONGODB_LOST_SECONDS.add(lambda: [((), self.primary.lost_for())])

    async def reachable(self) -> bool:
        """Whether a primary answers now."""
        try:
            await self.client.admin.command("ping")
        except PyMongoError as error:
            if isinstance(error, ConnectionFailure):
                MONGODB.lost()
            return False
        MONGODB.back()
        return True

    async def answers(self, seconds: float) -> bool:
        """Whether a primary answers within this time; unlike `reachable` it says nothing to the log."""
        try:
            async with asyncio.timeout(seconds):
                await self.client.admin.command("ping")
        except (PyMongoError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Close all connections; harmless to repeat."""
        self._uncounted()
        self._uncounted = _nothing
        await self.client.close()


def _nothing() -> None:
    pass


def _hosts(settings: MongoSettings) -> str:
    """The hosts of the connection string, without user and password, in which `/` and `?` are percent-encoded."""
    _, _, rest = settings.mongodb_uri.get_secret_value().partition("://")
    return re.split("[/?]", rest)[0].rpartition("@")[2]
