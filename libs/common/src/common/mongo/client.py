"""MongoDB: the driver is imported in this folder alone (docs/decisions/0002).

Every collection is written with majority and journal, so what a service has acted on survives any one node.
"""

from typing import Annotated, Any

from bson.codec_options import CodecOptions
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

Document = dict[str, Any]
Database = AsyncDatabase[Document]


class MongoSettings(BaseSettings):
    """Connection settings, from `MONGODB_*` environment variables."""

    mongodb_uri: Annotated[SecretStr, Field(description="connection string; a replica set, for transactions")] = (
        SecretStr("mongodb://localhost:27017/?replicaSet=rs0")
    )
    mongodb_database: Annotated[str, Field(description="name of the database; one for all services")] = "whatsapp_cloud"


class Mongo:
    """One client and its database. Connects lazily, so a process starts without MongoDB."""

    def __init__(self, settings: MongoSettings) -> None:
        self.client: AsyncMongoClient[Document] = AsyncMongoClient(
            settings.mongodb_uri.get_secret_value(),
            tz_aware=True,
            # A primary that is away should be an error within a webhook's or a batch's patience, not in 30 s.
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            retryWrites=True,
        )
        self.database: Database = self.client.get_database(
            settings.mongodb_database,
            codec_options=CodecOptions(tz_aware=True),
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )

    async def reachable(self) -> bool:
        """Whether a primary answers now."""
        try:
            await self.client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()
