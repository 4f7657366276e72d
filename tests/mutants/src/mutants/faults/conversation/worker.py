"""Faults in conversation: its worker, its wiring, what it reads and shows."""

from typing import Final

from mutants.fault import Fault

_SOURCE: Final = "services/conversation/src/conversation"
_TESTS: Final = "services/conversation/tests"
_HANDLERS: Final = f"{_SOURCE}/handlers.py"
_APP: Final = f"{_SOURCE}/app.py"
_ROUTES: Final = f"{_SOURCE}/read_api/routes.py"

_WORKER: Final = (f"{_TESTS}/test_worker.py",)
_WIRING: Final = (f"{_TESTS}/test_wiring.py",)

_ODD: Final = (f"{_TESTS}/batch/test_odd_values.py",)

FAULTS: Final = (
    # What Meta writes in another form than documented
    Fault(
        "conversation/failures-share-a-status",
        f"{_SOURCE}/batch/statuses.py",
        'else f"{key}|{failure}"',
        "else key",
        _ODD,
        "the second reason why a message failed is not reported",
    ),
    Fault(
        "conversation/torn-texts-are-stored-replaced",
        f"{_SOURCE}/batch/inbound.py",
        "raw=kept_text(original_of(data)),",
        "raw=bytes(data.raw).decode(),",
        _ODD,
        "what a customer wrote is not what is stored",
    ),
    Fault(
        "conversation/torn-texts-cannot-be-shown",
        f"{_SOURCE}/read_api/views.py",
        'json.loads(shown_text(text) if "\\\\" in text else text)',
        "json.loads(text)",
        _ODD,
        "the API answers 500 for a thread with half an emoji",
    ),
    Fault(
        "common/odd-fields-hide-their-neighbours",
        "libs/common/src/common/meta/lenient.py",
        "            return self._by_field(raw)[0]\n",
        "            raise\n",
        _ODD,
        "a number where a text is expected loses the whole message",
    ),
    # The batch
    Fault(
        "conversation/commits-the-last-record",
        _HANDLERS,
        "{partition: records[-1].offset + 1}",
        "{partition: records[-1].offset + 0}",
        _WORKER,
        "the last message of a partition is published again after each restart",
    ),
    Fault(
        "conversation/restart-publishes-again",
        _HANDLERS,
        "{partition: records[-1].offset + 1}",
        "{partition: records[0].offset}",
        (f"{_TESTS}/test_partitions.py::test_a_restart_publishes_nothing_again",),
        "a whole batch is published again after each restart",
    ),
    Fault(
        "conversation/commits-the-first-record",
        _HANDLERS,
        "{partition: records[-1].offset + 1}",
        "{partition: records[0].offset + 1}",
        _WORKER,
        "the rest of a batch is published again after a restart",
    ),
    Fault(
        "conversation/half-a-batch-is-dropped",
        _HANDLERS,
        "halves = records[:middle], records[middle:]",
        "halves = (records[middle:],)",
        _WORKER,
        "the good records beside a bad one are lost, and their offsets committed",
    ),
    Fault(
        "conversation/bad-records-are-dropped",
        _HANDLERS,
        'return [dead_letter(Poison(records[0], repr(error), "not_applicable"))]',
        "return []",
        _WORKER,
        "a record that cannot be applied is lost",
    ),
    Fault(
        "conversation/poison-is-dropped",
        _HANDLERS,
        "return [*await self._store_facts(owned, facts, batch), *letters]",
        "return await self._store_facts(owned, facts, batch)",
        _WORKER,
        "a record that is not understood is lost",
    ),
    Fault(
        "conversation/outages-are-poison",
        _HANDLERS,
        "_OUTSIDE = (MongoError, Unavailable, TimeoutError, OSError)",
        "_OUTSIDE = (Unavailable, TimeoutError, OSError)",
        _WORKER,
        "while MongoDB is away every record goes to the dead-letter queue",
    ),
    Fault(
        "conversation/time-outs-are-poison",
        _HANDLERS,
        "_OUTSIDE = (MongoError, Unavailable, TimeoutError, OSError)",
        "_OUTSIDE = (MongoError, Unavailable, ConnectionError)",
        _WORKER,
        "while MongoDB is slow every record goes to the dead-letter queue",
    ),
    Fault(
        "conversation/time-outs-shrink-nothing",
        _HANDLERS,
        "            self._batch_size.shrink(len(records))\n",
        "",
        _WORKER,
        "a batch that does not fit is tried without end",
    ),
    Fault(
        "conversation/batches-stay-small",
        _HANDLERS,
        "        self._batch_size.grow(len(records))\n",
        "",
        _WORKER,
        "after one slow minute throughput stays at a fraction",
    ),
    Fault(
        "conversation/batches-of-any-size",
        _HANDLERS,
        "session.fetch(max_records=self._batch_size.size)",
        "session.fetch(max_records=5_000)",
        _WORKER,
        "BATCH_RECORDS says nothing, and a batch that does not fit stays as it is",
    ),
    Fault(
        "conversation/publishes-before-it-stores",
        _HANDLERS,
        """                    outgoing = await self._apply_in_time(owned, records, batch)
                    await session.commit(outgoing, {partition: records[-1].offset + 1})
""",
        """                    await session.commit([], {partition: records[-1].offset + 1})
                    outgoing = await self._apply_in_time(owned, records, batch)
                    await session.commit(outgoing, {})
""",
        _WORKER,
        "a crash in between loses the batch",
    ),
    Fault(
        "conversation/superseded-and-going-on",
        _HANDLERS,
        "            while not session.stopping.is_set():\n                for partition",
        "            while True:\n                for partition",
        _WORKER,
        "a superseded session goes on beside its successor",
        hangs=True,
    ),
    Fault(
        "conversation/one-owner-for-all-slots",
        _HANDLERS,
        'self._store.owned_by(f"{session.group}/{session.slot}")',
        "self._store.owned_by(session.group)",
        _WORKER,
        "partitions end each other's transactions",
    ),
    Fault(
        "conversation/owner-of-any-group",
        _HANDLERS,
        'self._store.owned_by(f"{session.group}/{session.slot}")',
        "self._store.owned_by(session.slot)",
        _WORKER,
        "two groups on one database end each other's transactions",
    ),
    Fault(
        "conversation/writes-without-indexes",
        _HANDLERS,
        "        if not await self._may_begin(session):\n            return\n",
        "",
        _WORKER,
        "two conversations of one person are made while the unique index is missing",
    ),
    Fault(
        "conversation/waiting-looks-stuck",
        _HANDLERS,
        "                    session.tried()\n",
        "                    pass\n",
        _WORKER,
        "a service that waits for MongoDB is restarted again and again",
    ),
    Fault(
        "conversation/letters-are-not-counted",
        _HANDLERS,
        "        self._count(records, outgoing)\n",
        "",
        _WORKER,
        "a bad release drains the topic into the dead-letter queue",
    ),
    Fault(
        "conversation/unapplied-letters-are-not-counted",
        _HANDLERS,
        "letters=dead[tenant], now",
        "letters=0, now",
        _WORKER,
        "a bad release drains the topic into the dead-letter queue",
    ),
    Fault(
        "conversation/number-news-are-left-out",
        _HANDLERS,
        ", *number_records(facts, now)]",
        "]",
        _WORKER,
        "the sender does not learn that Meta has changed a number's limit",
    ),
    Fault(
        "conversation/accounts-are-not-asked",
        _HANDLERS,
        "chatbots = await self._directory.chatbots(numbers)",
        "chatbots = await self._directory.chatbots(())",
        _WORKER,
        "messages belong to no chatbot",
    ),
    Fault(
        "conversation/letters-without-their-origin",
        _HANDLERS,
        '        "origin-offset": str(record.offset),\n',
        "",
        _WORKER,
        "the record of a dead letter cannot be found",
    ),
    Fault(
        "conversation/letters-without-their-value",
        _HANDLERS,
        '(record.value or b"")[',
        'b""[',
        _WORKER,
        "a dead letter cannot be replayed",
    ),
    # Wiring
    Fault(
        "conversation/read-with-any-scope",
        _APP,
        'require("read", settings.api_keys)',
        'require("send", settings.api_keys)',
        _WIRING,
        "a key that may send may read every thread",
    ),
    Fault(
        "conversation/windows-with-the-read-scope",
        _APP,
        'require("windows", settings.api_keys)',
        'require("read", settings.api_keys)',
        _WIRING,
        "a tenant's key asks for the windows of any number",
    ),
    Fault(
        "conversation/read-routes-unguarded",
        _ROUTES,
        "        guards=[guard],\n        tags",
        "        tags",
        _WIRING,
        "everything is read without a key",
    ),
    Fault(
        "conversation/internal-routes-unguarded",
        _ROUTES,
        'Router("/internal", route_handlers=[windows], guards=[guard])',
        'Router("/internal", route_handlers=[windows])',
        _WIRING,
        "windows are told to any caller",
    ),
    Fault(
        "conversation/results-are-not-read",
        _APP,
        "topics=[WEBHOOKS.name, SEND_RESULTS.name],",
        "topics=[WEBHOOKS.name],",
        _WIRING,
        "no outbound message is ever stored",
    ),
    Fault(
        "conversation/group-is-not-settable",
        _APP,
        "group=settings.consumer_group,",
        'group="conversation",',
        _WIRING,
        "CONSUMER_GROUP says nothing",
    ),
    Fault(
        "conversation/log-days-are-not-settable",
        _APP,
        "ConversationStore(mongo, webhook_log_days=settings.webhook_log_days)",
        "ConversationStore(mongo)",
        _WIRING,
        "WEBHOOK_LOG_DAYS says nothing",
    ),
    Fault(
        "conversation/letter-limit-is-not-settable",
        _APP,
        "    dead_letters = DeadLetterLimit(settings)",
        "    dead_letters = DeadLetterLimit(type(settings)(callback_keys=settings.callback_keys))",
        _WIRING,
        "DLQ_LIMIT says nothing",
    ),
    Fault(
        "conversation/batch-size-is-not-settable",
        _APP,
        "batch_records=settings.batch_records,",
        "batch_records=500,",
        _WIRING,
        "BATCH_RECORDS says nothing",
    ),
    Fault(
        "conversation/live-seconds-are-not-settable",
        _APP,
        "alive=lambda: group.stuck_seconds() < settings.live_seconds,",
        "",
        _WIRING,
        "a service that hangs is never restarted",
    ),
    *(
        Fault(
            f"conversation/readiness-without-{check}",
            _APP,
            f'            "{check}": {asked},\n',
            "",
            _WIRING,
            f"conversation is ready while {check} is not",
        )
        for check, asked in (
            ("mongodb", "mongo.reachable"),
            ("indexes", "indexes.ready"),
            ("kafka", "group.reachable"),
            ("partitions", "partitions_read"),
            ("accounts", "accounts_read"),
        )
    ),
    *(
        Fault(
            f"conversation/{part}-never-starts",
            _APP,
            "running(indexes, directory.table, group, depth)",
            f"running({others})",
            _WIRING,
            why,
        )
        for part, others, why in (
            ("group", "indexes, directory.table, depth", "nothing is read"),
            ("accounts", "indexes, group, depth", "messages belong to no chatbot"),
            ("indexes", "directory.table, group, depth", "nothing is ever written"),
            ("depth", "indexes, directory.table, group", "no operator sees dead letters"),
        )
    ),
    Fault(
        "conversation/mongodb-closed-before-the-batch",
        _APP,
        "            closing(mongo.close),\n            running(indexes, directory.table, group, depth),\n",
        "            running(indexes, directory.table, group, depth),\n            closing(mongo.close),\n",
        _WIRING,
        "the running batch fails at each deployment",
    ),
)
