"""Accounts in MongoDB: `whatsapp_cloud_accounts`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from accounts.core import DEFAULT_PLAN, DIGEST, REJECTED, SALTED_DIGEST, VERIFY_TOKEN, Change, Document
from common.errors import Conflict, NotFound
from common.mongo import RETURN_UPDATED, DuplicateKeyError, Mongo, or_unavailable, schema
from common.mongo.failover.waited_reads import waited_for
from common.mongo.indexes import ensure_indexes

COLLECTION: Final = schema.ACCOUNTS.name
_SHOWN: Final = 128
_FIND_SECONDS: Final = 2.5


@dataclass(frozen=True, slots=True)
class Expected:
    """The state that a decision was made for: the account's revision, or None if there was no account."""

    revision: int | None

    def as_filter(self) -> Document:
        """The state as MongoDB looks for it. An upsert inserts the fields that its query compares with a value."""
        return {"revision": {"$exists": False} if self.revision is None else self.revision}


class AccountStore:
    """Reads and atomic changes. Every method raises `Unavailable` when MongoDB does not answer."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._accounts = mongo.database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Create the missing indexes; harmless to repeat."""
        await ensure_indexes(self._mongo.database, schema.ACCOUNTS)

    async def find(self, chatbot_id: str) -> Document | None:
        """The account, or None. Within two and a half seconds: the sender waits for three."""
        with waited_for(self._mongo, _FIND_SECONDS):
            return await self._accounts.find_one({"_id": chatbot_id})

    async def get(self, chatbot_id: str) -> Document:
        """The account. Raises `NotFound`."""
        document = await self.find(chatbot_id)
        if document is None:
            raise unknown(chatbot_id)
        return document

    async def save(self, chatbot_id: str, change: Change, now: datetime, only: Expected | None = None) -> Document:
        """Create or update; the account as it then is.

        With `only` it is a compare-and-set: nothing is stored unless the account is as it was read. Raises `Conflict`:
        `account_changed` when it is not, `number_taken` when the number is another active account's.
        """
        update = _update(change)
        update["$setOnInsert"] = {"createdAt": now} | ({} if "plan" in change.fields else {"plan": DEFAULT_PLAN})
        creates = only is None or only.revision is None
        wanted = {"_id": chatbot_id} | (only.as_filter() if only else {})
        with or_unavailable():
            try:
                document = await self._accounts.find_one_and_update(
                    wanted, update, upsert=creates, return_document=RETURN_UPDATED
                )
            except DuplicateKeyError as error:
                if "_id" in (error.details or {}).get("keyPattern", {}):
                    raise _changed(chatbot_id) from None
                raise _taken(change.fields["phoneNumberId"]) from None
        if document is None:
            raise _changed(chatbot_id)
        return document

    async def update(self, chatbot_id: str, change: Change, only: Expected | None = None) -> Document | None:
        """Change an existing account; None when there is none, or, with `only`, when it is not as it was read."""
        wanted = {"_id": chatbot_id} | (only.as_filter() if only else {})
        with or_unavailable():
            return await self._accounts.find_one_and_update(wanted, _update(change), return_document=RETURN_UPDATED)

    async def with_other_digests(self, key_id: str, after: str, limit: int) -> list[Document]:
        """Accounts whose verify token has another digest than one under this key: the next `limit` by chatbot id."""
        another = [{f"{DIGEST}.key": {"$ne": key_id}}, {SALTED_DIGEST: {"$exists": True}}]
        wanted = {"_id": {"$gt": after}, VERIFY_TOKEN: {"$exists": True}, "$or": another}
        with or_unavailable():
            return await self._accounts.find(wanted).sort("_id").limit(limit).to_list()

    async def mark_rejected(self, chatbot_id: str, mark: Document, revision: int) -> bool:
        """Note that Meta refuses the token of `revision`; False when there is another token by now.

        The change is not published, because readers would take it for a new token and try again.
        """
        with or_unavailable():
            result = await self._accounts.update_one(
                {"_id": chatbot_id, "revision": revision}, {"$set": {REJECTED: mark}}
            )
        return bool(result.matched_count)

    async def clear_rejected(self, chatbot_id: str, revision: int) -> bool:
        """Note that Meta accepts the token of `revision`; False when there was no mark, or is another token by now."""
        with or_unavailable():
            result = await self._accounts.update_one(
                {"_id": chatbot_id, "revision": revision, REJECTED: {"$exists": True}}, {"$unset": {REJECTED: ""}}
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
        """Replace the secret `name` if it is still that of `before`; False when it was changed meanwhile."""
        with or_unavailable():
            result = await self._accounts.update_one({"_id": chatbot_id, name: before[name]}, {"$set": {name: sealed}})
        return bool(result.matched_count)


def unknown(chatbot_id: str) -> NotFound:
    """There is no such account. An id that is too long for an account is cut."""
    return NotFound(
        f"no account has the chatbotId `{chatbot_id[:_SHOWN]}`; create it with `POST /whatsapp-cloud/account`",
        code="unknown_account",
    )


def _changed(chatbot_id: str) -> Conflict:
    return Conflict(
        f"the account of the chatbot `{chatbot_id}` was changed meanwhile; read it and send the change again",
        code="account_changed",
    )


def _taken(number: str) -> Conflict:
    """It does not say which account has the number, because that is another tenant's."""
    return Conflict(
        f"the number {number} belongs to another active account; deactivate that one first", code="number_taken"
    )


def _update(change: Change) -> dict[str, Any]:
    update: dict[str, Any] = {"$set": {**change.fields, "unpublished": True}, "$inc": {"revision": 1}}
    if change.removed:
        update["$unset"] = dict.fromkeys(change.removed, "")
    return update
