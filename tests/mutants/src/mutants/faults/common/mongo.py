"""Faults in `common.mongo`: the client, sessions, transactions, indexes, swaps."""

from typing import Final

from mutants.fault import Fault

_MONGO: Final = "libs/common/src/common/mongo"
_TESTS: Final = "libs/common/tests"
_CLIENT: Final = f"{_MONGO}/client.py"
_OWNERS: Final = f"{_MONGO}/owned_session.py"
_TRANSACTIONS: Final = f"{_MONGO}/transactions.py"
_COLLECTIONS: Final = f"{_MONGO}/schema.py"
_INDEXES: Final = f"{_MONGO}/indexes.py"
_SWAPS: Final = f"{_MONGO}/compare_and_set.py"

_CLIENT_TESTS: Final = (f"{_TESTS}/kafka/test_client_settings.py",)
_TRANSACTION_TESTS: Final = (f"{_TESTS}/mongo/test_transactions.py",)
_OWNER_TESTS: Final = (f"{_TESTS}/mongo/test_transactions.py", f"{_TESTS}/mongo/test_owned_session.py")
_INDEX_TESTS: Final = (f"{_TESTS}/mongo/test_indexes.py",)

FAULTS: Final = (
    Fault(
        "common/mongo-one-node-is-enough",
        _CLIENT,
        'write_concern=WriteConcern(w="majority", j=True)',
        "write_concern=WriteConcern(w=1)",
        _CLIENT_TESTS,
        "what a service has acted on is lost with the primary",
    ),
    Fault(
        "common/mongo-reads-what-may-be-rolled-back",
        _CLIENT,
        'read_concern=ReadConcern("majority"),',
        "",
        _CLIENT_TESTS,
        "a service acts on what a change of primary takes back",
    ),
    Fault(
        "common/mongo-reads-from-secondaries",
        _CLIENT,
        "read_preference=ReadPreference.PRIMARY,",
        "read_preference=ReadPreference.SECONDARY_PREFERRED,",
        _CLIENT_TESTS,
        "a service does not see what it has just written",
    ),
    Fault(
        "common/mongo-naive-times",
        _CLIENT,
        "codec_options=CodecOptions(tz_aware=True, type_registry=_TYPES),",
        "codec_options=CodecOptions(type_registry=_TYPES),",
        _CLIENT_TESTS,
        "times without a zone cannot be compared with ours",
    ),
    Fault(
        "common/mongo-patient-for-half-a-minute",
        _CLIENT,
        "            serverSelectionTimeoutMS=5_000,\n",
        "",
        _CLIENT_TESTS,
        "while MongoDB is away each request waits for 30 s",
    ),
    Fault(
        "common/mongo-always-reachable",
        _CLIENT,
        "                MONGODB.lost()\n            return False\n",
        "                MONGODB.lost()\n            return True\n",
        (f"{_TESTS}/http/service/test_reachable.py",),
        "a service is ready while MongoDB is away",
    ),
    Fault(
        "common/mongo-lock-for-ever",
        _CLIENT,
        "        patch_waiting()\n",
        "",
        (f"{_TESTS}/mongo/test_pymongo_patch.py",),
        "after an outage of MongoDB a process waits for ever",
        hangs=True,
    ),
    Fault(
        "common/transaction-one-node-is-enough",
        _TRANSACTIONS,
        'write_concern=WriteConcern(w="majority", j=True),',
        "write_concern=WriteConcern(w=1),",
        _TRANSACTION_TESTS,
        "a batch whose events are out is lost with the primary",
    ),
    Fault(
        "common/transaction-without-snapshot",
        _TRANSACTIONS,
        'read_concern=ReadConcern("snapshot"),',
        'read_concern=ReadConcern("local"),',
        _TRANSACTION_TESTS,
        "a batch is planned on documents of different times",
    ),
    Fault(
        "common/transaction-without-end",
        _TRANSACTIONS,
        "async with asyncio.timeout(seconds):",
        "async with asyncio.timeout(None):",
        _OWNER_TESTS,
        "a batch that meets conflicts hangs for minutes",
        hangs=True,
    ),
    Fault(
        "common/transaction-any-error-is-a-duplicate",
        _TRANSACTIONS,
        'if any(item.get("code") == _DUPLICATE_KEY for item in details.get("writeErrors", ())):',
        "if details:",
        _TRANSACTION_TESTS,
        "a write that can never succeed is planned again and again",
    ),
    Fault(
        "common/owner-leaves-its-predecessor-alone",
        _OWNERS,
        "        await self._end(list(before))\n",
        "",
        _OWNER_TESTS,
        "the transaction of a process that was killed holds its successor up for a minute",
    ),
    Fault(
        "common/owner-does-not-say-who-it-is",
        _OWNERS,
        '{"$set": {"lsid": mine, "before"',
        '{"$set": {"before"',
        _OWNER_TESTS,
        "the next owner ends a session that is long gone, and not ours",
    ),
    Fault(
        "common/owner-takes-its-successors-name-away",
        _OWNERS,
        'delete_many({"_id": {"$in": list(self._names)}, "lsid": mine})',
        'delete_many({"_id": {"$in": list(self._names)}})',
        _OWNER_TESTS,
        "the owner after the successor does not find it",
    ),
    Fault(
        "common/owner-stays-named",
        _OWNERS,
        '            await self._collection.delete_many({"_id": {"$in": list(self._names)}, "lsid": mine})\n',
        "",
        _OWNER_TESTS,
        "the next owner ends a session that the driver has given to another slot",
    ),
    Fault(
        "common/owner-forgets-whom-it-did-not-end",
        _OWNERS,
        '"before": {"$setDifference": [before, [mine]]}',
        '"before": [{"$ifNull": ["$lsid", mine]}]',
        _OWNER_TESTS,
        "after a take-over that failed half-way, a transaction that was left open holds its partitions up for a minute",
    ),
    Fault(
        "common/owner-ends-a-session-twice",
        _OWNERS,
        '        await self._collection.update_many(ours, {"$unset": {"before": ""}})\n',
        "",
        _OWNER_TESTS,
        "the next owner ends a session that the driver has given to another process's work since",
    ),
    Fault(
        "common/index-not-unique",
        _INDEXES,
        "name=index.name, **index.options())",
        'name=index.name, **{**index.options(), "unique": False})',
        _INDEX_TESTS,
        "two conversations have one alias",
    ),
    Fault(
        "common/index-options-forgotten",
        _COLLECTIONS,
        '"unique": self.unique, "sparse": self.sparse, "partialFilterExpression": self.only}',
        '"sparse": self.sparse, "partialFilterExpression": self.only}',
        _INDEX_TESTS,
        "two conversations have one alias",
    ),
    Fault(
        "common/index-aliases-not-unique",
        _COLLECTIONS,
        '            (("aliases", ASCENDING), ("chatbotId", ASCENDING)),\n            unique=True,\n',
        '            (("aliases", ASCENDING), ("chatbotId", ASCENDING)),\n',
        _INDEX_TESTS,
        "two processes make two conversations of one person",
    ),
    Fault(
        "common/index-wamid-not-unique",
        _COLLECTIONS,
        '(("wamid", ASCENDING),), only={"wamid": {"$exists": True}}),',
        '(("wamid", ASCENDING),), unique=True, only={"wamid": {"$exists": True}}),',
        _INDEX_TESTS,
        "a wamid that is named on one number keeps the message of another from being stored",
    ),
    Fault(
        "common/index-two-accounts-of-a-number",
        _COLLECTIONS,
        'unique=True, only={"status": ACTIVE}',
        'only={"status": ACTIVE}',
        _INDEX_TESTS,
        "two tenants have one number",
    ),
    Fault(
        "common/index-log-kept-for-ever",
        _INDEXES,
        "replace(index, expire_after=keep) if lives and keep else index",
        "index",
        _INDEX_TESTS,
        "WEBHOOK_LOG_DAYS says nothing",
    ),
    Fault(
        "common/index-time-not-changed",
        _INDEXES,
        '            await database.command({"collMod": collection.name, "index": changed})\n',
        "",
        _INDEX_TESTS,
        "a shorter WEBHOOK_LOG_DAYS changes nothing on a database that is there",
    ),
    Fault(
        "common/indexes-ready-before-they-are",
        _INDEXES,
        "        return self._done.is_set()",
        "        return self._task is not None",
        (f"{_TESTS}/mongo/test_transactions.py",),
        "a service writes without the indexes that its promises rest on",
    ),
    Fault(
        "common/indexes-tried-once",
        _INDEXES,
        "                await asyncio.sleep(_RETRY_SECONDS)",
        "                return",
        (f"{_TESTS}/mongo/test_transactions.py",),
        "a service that starts before MongoDB is never ready",
    ),
    Fault(
        "common/swap-of-whatever-stands",
        _SWAPS,
        'ReplaceOne({"_id": key, "token": token}, swap.document)',
        'ReplaceOne({"_id": key}, swap.document)',
        (f"{_TESTS}/mongo/test_compare_and_set.py",),
        "a stale claim overwrites what another process has written",
    ),
    Fault(
        "common/swap-stops-at-the-first",
        _SWAPS,
        "bulk_write(operations, ordered=False)",
        "bulk_write(operations, ordered=True)",
        (f"{_TESTS}/mongo/test_compare_and_set.py",),
        "one send that was claimed by another process holds its neighbours up",
    ),
    Fault(
        "common/swap-swallows-errors",
        _SWAPS,
        "    ):\n        raise error",
        "    ):\n        return",
        (f"{_TESTS}/mongo/test_compare_and_set.py",),
        "a write that failed counts as one that another process has made",
    ),
    Fault(
        "common/mongo-errors-quote-documents",
        _SWAPS,
        'f"{type(error).__name__} ({text_of(error)})" if isinstance(error, OperationFailure) else repr(error)',
        "repr(error)",
        (f"{_TESTS}/mongo/test_mongo_errors.py",),
        "what people wrote is in logs",
    ),
)
