"""MongoDB, as the services see it: the driver's names that they need, from this one place."""

from typing import Final

from pymongo import DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure
from pymongo.errors import PyMongoError as MongoError

from common.mongo.client import Database, Document, Mongo, MongoSettings, StaleReadSettings
from common.mongo.compare_and_set import or_unavailable
from common.mongo.owned_session import OwnedSession
from common.mongo.rejected_documents import encoding_error, refuses_document
from common.mongo.schema import DESCENDING
from common.mongo.transactions import or_duplicate_key, transaction

RETURN_UPDATED: Final = ReturnDocument.AFTER

__all__ = [
    "DESCENDING",
    "RETURN_UPDATED",
    "BulkWriteError",
    "Database",
    "DeleteOne",
    "Document",
    "DuplicateKeyError",
    "InsertOne",
    "Mongo",
    "MongoError",
    "MongoSettings",
    "OperationFailure",
    "OwnedSession",
    "ReplaceOne",
    "StaleReadSettings",
    "UpdateMany",
    "UpdateOne",
    "encoding_error",
    "or_duplicate_key",
    "or_unavailable",
    "refuses_document",
    "transaction",
]
