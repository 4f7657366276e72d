"""Accounts in MongoDB: `whatsapp_cloud_accounts`."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

from accounts.core import Change, Document
from common.errors import Conflict, NotFound
from common.mongo import RETURN_UPDATED, Database, DuplicateKeyError, collections, or_unavailable
from common.mongo.indexes import ensure_indexes

COLLECTION: Final = collections.ACCOUNTS.name


class AccountStore:
    """Reads and atomic changes. Every method raises `Unavailable` when MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._accounts = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Create what is missing; harmless to repeat."""
        await ensure_indexes(self._database, collections.ACCOUNTS)

    async def find(self, chatbot_id: str) -> Document | None:
        """The account, or None."""
        with or_unavailable():
            return await self._accounts.find_one({"_id": chatbot_id})

    async def get(self, chatbot_id: str) -> Document:
        """The account. Raises `NotFound`."""
        document = await self.find(chatbot_id)
        if document is None:
            raise NotFound(f"there is no account for the chatbot `{chatbot_id}`", code="unknown_account")
        return document

    async def save(self, chatbot_id: str, change: Change, now: datetime) -> Document:
        """Create or update; the account as it then is. Raises `Conflict` when the number is another account's."""
        update = _update(change)
        update["$setOnInsert"] = {"createdAt": now} | ({} if "plan" in change.fields else {"plan": "standard"})
        with or_unavailable():
            try:
                document = await self._accounts.find_one_and_update(
                    {"_id": chatbot_id}, update, upsert=True, return_document=RETURN_UPDATED
                )
            except DuplicateKeyError:
                number = change.fields["phoneNumberId"]
                raise Conflict(
                    f"the number {number} belongs to another active account; deactivate that one first",
                    code="number_taken",
                ) from None
        if document is None:  # an upsert always gives one
            raise NotFound(f"the account of the chatbot `{chatbot_id}` has gone", code="unknown_account")
        return document

    async def update(self, chatbot_id: str, change: Change) -> Document | None:
        """Change an existing account; None when there is none."""
        with or_unavailable():
            return await self._accounts.find_one_and_update(
                {"_id": chatbot_id}, _update(change), return_document=RETURN_UPDATED
            )

    async def mark_rejected(self, chatbot_id: str, mark: Document, revision: int) -> bool:
        """Note that Meta refuses the token of `revision`; False when there is another token by now.

        It is not a change that others are told of: they would take it for a new token and try again.
        """
        with or_unavailable():
            result = await self._accounts.update_one(
                {"_id": chatbot_id, "revision": revision}, {"$set": {"tokenRejected": mark}}
            )
        return bool(result.matched_count)

    async def published(self, chatbot_id: str, revision: int) -> bool:
        """Note that Kafka has `revision`; False when the account has changed since."""
        with or_unavailable():
            result = await self._accounts.update_one(
                {"_id": chatbot_id, "revision": revision}, {"$unset": {"unpublished": ""}}
            )
        return bool(result.matched_count)

    async def unpublished(self) -> list[str]:
        """Chatbot ids of the accounts whose last change Kafka does not have, as far as we know."""
        with or_unavailable():
            return [document["_id"] async for document in self._accounts.find({"unpublished": True}, {"_id": 1})]

    async def all(self) -> AsyncIterator[Document]:
        """Every account."""
        with or_unavailable():
            async for document in self._accounts.find({}):
                yield document

    async def reseal(self, chatbot_id: str, before: Document, name: str, sealed: Document) -> bool:
        """Replace the secret `name` if it is still that of `before`; False when somebody changed it meanwhile."""
        with or_unavailable():
            result = await self._accounts.update_one({"_id": chatbot_id, name: before[name]}, {"$set": {name: sealed}})
        return bool(result.matched_count)


def _update(change: Change) -> dict[str, Any]:
    update: dict[str, Any] = {"$set": {**change.fields, "unpublished": True}, "$inc": {"revision": 1}}
    if change.removed:
        update["$unset"] = dict.fromkeys(change.removed, "")
    return update
