"""Faults in `common.kafka`: clients, sessions, followers, tables, writing."""

from typing import Final

from mutants.fault import Fault

_KAFKA: Final = "libs/common/src/common/kafka"
_TESTS: Final = "libs/common/tests"
_CLIENTS: Final = f"{_KAFKA}/clients.py"
_SESSIONS: Final = f"{_KAFKA}/partitions.py"
_TABLE: Final = f"{_KAFKA}/table.py"
_FOLLOWER: Final = f"{_KAFKA}/follower.py"
_WRITING: Final = f"{_KAFKA}/writing.py"
_PUBLISHER: Final = f"{_KAFKA}/publisher.py"
_QUEUES: Final = f"{_KAFKA}/queues.py"
_RECORDS: Final = f"{_KAFKA}/records.py"
_ADMIN: Final = f"{_KAFKA}/admin.py"

_CLIENT_TESTS: Final = (f"{_TESTS}/test_client_settings.py",)
_SESSION_TESTS: Final = (f"{_TESTS}/test_sessions.py", f"{_TESTS}/test_partitions.py")
_TABLE_TESTS: Final = (f"{_TESTS}/test_table.py",)
_FOLLOWER_TESTS: Final = (f"{_TESTS}/test_follower.py",)
_PUBLISHER_TESTS: Final = (f"{_TESTS}/test_publisher.py", f"{_TESTS}/test_queues.py")

FAULTS: Final = (
    # Clients
    Fault(
        "common/kafka-acks-of-the-leader",
        _CLIENTS,
        "enable_idempotence=True,",
        "acks=1,",
        _CLIENT_TESTS,
        "a record that only the leader has is lost with it, and a retry writes twice",
    ),
    Fault(
        "common/kafka-read-uncommitted",
        _CLIENTS,
        'isolation_level="read_committed",  # never',
        'isolation_level="read_uncommitted",  # never',
        _CLIENT_TESTS,
        "a service acts on records of a transaction that was aborted",
    ),
    Fault(
        "common/kafka-reader-uncommitted",
        _CLIENTS,
        'isolation_level="read_committed",\n        fetch_max_wait_ms=100,',
        'isolation_level="read_uncommitted",\n        fetch_max_wait_ms=100,',
        _CLIENT_TESTS,
        "a table holds what was never committed",
    ),
    Fault(
        "common/kafka-auto-commit",
        _CLIENTS,
        'enable_auto_commit=False,\n        auto_offset_reset="earliest",  # a record',
        'enable_auto_commit=True,\n        auto_offset_reset="earliest",  # a record',
        _CLIENT_TESTS,
        "offsets are committed on a timer, of records that nobody has finished",
    ),
    Fault(
        "common/kafka-from-the-end",
        _CLIENTS,
        'auto_offset_reset="earliest",  # a record',
        'auto_offset_reset="latest",  # a record',
        _CLIENT_TESTS,
        "records that were written before a group's first assignment are never read",
    ),
    Fault(
        "common/kafka-reader-from-the-end",
        _CLIENTS,
        'auto_offset_reset="earliest",\n        isolation_level="read_committed",\n        fetch_max_wait_ms=100,',
        'auto_offset_reset="latest",\n        isolation_level="read_committed",\n        fetch_max_wait_ms=100,',
        _CLIENT_TESTS,
        "a table misses what was there before",
    ),
    Fault(
        "common/kafka-assignor-of-the-driver",
        _CLIENTS,
        "partition_assignment_strategy=(RangePartitionAssignor,),",
        "",
        _CLIENT_TESTS,
        "requests and their retries of one conversation come to two senders",
    ),
    Fault(
        "common/kafka-session-timeout-ignored",
        _CLIENTS,
        "session_timeout_ms=settings.kafka_session_timeout_ms,",
        "session_timeout_ms=300_000,",
        _CLIENT_TESTS,
        "the partitions of a dead process are free after five minutes",
    ),
    Fault(
        "common/kafka-transactional-id",
        _CLIENTS,
        "transactional_id=transactional_id,",
        'transactional_id=f"{transactional_id}-{id(settings)}",',
        _CLIENT_TESTS,
        "nobody is fenced: a process that was cut off goes on writing",
    ),
    Fault(
        "common/kafka-transaction-timeout-ignored",
        _CLIENTS,
        "transaction_timeout_ms=settings.kafka_transaction_timeout_ms,",
        "",
        _CLIENT_TESTS,
        "a process that died holds every reader up for a minute",
    ),
    Fault(
        "common/kafka-partitioner-of-the-driver",
        _CLIENTS,
        "max_batch_size=_BATCH_BYTES,\n        partitioner=partitioner,",
        "max_batch_size=_BATCH_BYTES,",
        _CLIENT_TESTS,
        "a record without a place is put where chance has it",
    ),
    Fault(
        "common/kafka-small-requests",
        _CLIENTS,
        "_MAX_REQUEST_BYTES = 7 * 1024 * 1024",
        "_MAX_REQUEST_BYTES = 1024 * 1024",
        _CLIENT_TESTS,
        "the largest webhooks are refused by our own client",
    ),
    # Sessions
    Fault(
        "common/session-offsets-before-fencing",
        _SESSIONS,
        """            await producer.start()
            committed = {tp: await self._seek_to_committed(consumer, tp) for tp in slot.partitions}
""",
        """            committed = {tp: await self._seek_to_committed(consumer, tp) for tp in slot.partitions}
            await producer.start()
""",
        _SESSION_TESTS,
        "what the predecessor commits last is read again, and written twice",
    ),
    Fault(
        "common/session-does-not-seek",
        _SESSIONS,
        "        consumer.seek(tp, committed)\n",
        "",
        _SESSION_TESTS,
        "a session that failed goes on behind the records that failed",
    ),
    Fault(
        "common/session-begins-at-the-end",
        _SESSIONS,
        "await consumer.beginning_offsets([tp])",
        "await consumer.end_offsets([tp])",
        _SESSION_TESTS,
        "a new group skips what is there",
    ),
    Fault(
        "common/session-without-transaction",
        _SESSIONS,
        "async with self.producer.transaction():",
        "if True:",
        _SESSION_TESTS,
        "records are written and their offsets are not, or the other way round",
    ),
    Fault(
        "common/session-offsets-left-out",
        _SESSIONS,
        "                if offsets:\n                    await self.producer.send_offsets",
        "                if offsets and not outgoing:\n                    await self.producer.send_offsets",
        _SESSION_TESTS,
        "a batch that publishes something is read again after each restart",
    ),
    Fault(
        "common/session-offsets-of-another-group",
        _SESSIONS,
        "send_offsets_to_transaction(dict(offsets), self.group)",
        "send_offsets_to_transaction(dict(offsets), self.slot)",
        _SESSION_TESTS,
        "the group never learns of what was committed",
    ),
    Fault(
        "common/session-fetches-while-stopping",
        _SESSIONS,
        "        if self.stopping.is_set():\n            return {}\n        wanted",
        "        wanted",
        _SESSION_TESTS,
        "a superseded session takes new work on",
    ),
    Fault(
        "common/session-waits-for-its-fetch",
        _SESSIONS,
        "        for task in self._fetching:\n            task.cancel()",
        "        return",
        _SESSION_TESTS,
        "a rebalance waits for fetches that wait for the rebalance",
    ),
    Fault(
        "common/session-of-all-partitions",
        _SESSIONS,
        "wanted = partitions or self.partitions",
        "wanted = partitions",
        _SESSION_TESTS,
        "a session reads the records of another one, and commits none of them",
    ),
    Fault(
        "common/session-revoked-and-going-on",
        _SESSIONS,
        "        self._assigned = False\n        await self._close_slots()",
        "        self._assigned = False",
        _SESSION_TESTS,
        "a superseded session goes on beside its successor",
    ),
    Fault(
        "common/session-late-workers-live-on",
        _SESSIONS,
        "        await cancel(late)",
        "",
        _SESSION_TESTS,
        "a worker that does not end in its time works on partitions of another process",
    ),
    Fault(
        "common/session-assigned-while-leaving",
        _SESSIONS,
        "        if self._leaving:\n            return  # a rebalance",
        "        if False:\n            return  # a rebalance",
        _SESSION_TESTS,
        "sessions begin that nothing ends",
    ),
    Fault(
        "common/session-fenced-comes-back-at-once",
        _SESSIONS,
        "pause = self._fenced_pause",
        "pause = 0.0",
        _SESSION_TESTS,
        "two owners of a partition fence each other for ever",
    ),
    Fault(
        "common/session-halted-starts-again",
        _SESSIONS,
        "                await slot.stopping.wait()\n                return\n",
        "",
        _SESSION_TESTS,
        "a flood of dead letters goes on",
    ),
    Fault(
        "common/session-producer-of-the-group",
        _SESSIONS,
        'self._make_producer(f"{self._group}-{slot.name}")',
        "self._make_producer(self._group)",
        _SESSION_TESTS,
        "partitions fence one another, or an old owner of one is not fenced",
    ),
    Fault(
        "common/session-producer-left-open",
        _SESSIONS,
        "                    await producer.stop()\n\n    async def _seek",
        "                    pass\n\n    async def _seek",
        _SESSION_TESTS,
        "each failure leaves a producer with its connections behind",
    ),
    Fault(
        "common/session-partitions-not-paused",
        _SESSIONS,
        "            self._consumer.pause(*assigned)",
        "            pass",
        _SESSION_TESTS,
        "records are fetched before the predecessor is fenced",
    ),
    Fault(
        "common/session-partitions-not-resumed",
        _SESSIONS,
        "            consumer.resume(*slot.partitions)\n",
        "",
        _SESSION_TESTS,
        "nothing is ever read",
    ),
    Fault(
        "common/session-ready-while-it-fails",
        _SESSIONS,
        "return consumer is not None and self._assigned and len(self._sessions) == len(self._slots)",
        "return consumer is not None and self._assigned",
        _SESSION_TESTS,
        "a service that can do nothing says that it is ready",
    ),
    Fault(
        "common/session-always-alive",
        _SESSIONS,
        "return time.monotonic() - self._alive_at if self._sessions else 0.0",
        "return 0.0",
        _SESSION_TESTS,
        "a service that hangs is never restarted",
    ),
    # Followers and tables
    Fault(
        "common/follower-commits-first",
        _FOLLOWER,
        """                await self._handle([record for batch in batches.values() for record in batch])
                offsets = {tp: batch[-1].offset + 1 for tp, batch in batches.items()}
                await consumer.commit(offsets)
""",
        """                offsets = {tp: batch[-1].offset + 1 for tp, batch in batches.items()}
                await consumer.commit(offsets)
                await self._handle([record for batch in batches.values() for record in batch])
""",
        _FOLLOWER_TESTS,
        "what could not be handled is lost",
    ),
    Fault(
        "common/follower-commits-the-last-record",
        _FOLLOWER,
        "batch[-1].offset + 1 for",
        "batch[-1].offset + 0 for",
        _FOLLOWER_TESTS,
        "the last record comes again after each restart, and the group is never at the end",
    ),
    Fault(
        "common/follower-never-starts-again",
        _FOLLOWER,
        "            await asyncio.sleep(_PAUSE_SECONDS)",
        "            return",
        _FOLLOWER_TESTS,
        "after one error of Kafka nothing is followed any more",
    ),
    Fault(
        "common/table-ready-before-it-is-read",
        _TABLE,
        "            if not self._pending(ends):\n                self._loaded.set()",
        "            self._loaded.set()",
        _TABLE_TESTS,
        "a service is ready and knows no account",
    ),
    Fault(
        "common/table-catches-up-with-nothing",
        _TABLE,
        "await self._moved.wait_for(lambda: self._reached(ends))",
        "pass",
        _TABLE_TESTS,
        "an account that was made a moment ago is not known",
    ),
    Fault(
        "common/table-reached-by-one",
        _TABLE,
        "return all(self._positions",
        "return any(self._positions",
        _TABLE_TESTS,
        "of several partitions one is enough to be ready",
    ),
    Fault(
        "common/table-keeps-what-was-deleted",
        _TABLE,
        "            self._rows.pop(name, None)\n",
        "",
        _TABLE_TESTS,
        "an account that was removed goes on",
    ),
    Fault(
        "common/table-stops-at-a-bad-record",
        _TABLE,
        "            return\n        self._rows[name] = row",
        "            raise\n        self._rows[name] = row",
        _TABLE_TESTS,
        "one record that is not understood ends the whole table",
    ),
    Fault(
        "common/table-patient-for-ever",
        _TABLE,
        "        except (TimeoutError, KafkaError):\n            return False",
        "        except KafkaError:\n            return False",
        _TABLE_TESTS,
        "a webhook's verification is an error of ours while Kafka is away",
    ),
    # Writing
    Fault(
        "common/writing-unconfirmed",
        _WRITING,
        "        if isinstance(outcome, BaseException):\n            raise outcome",
        "        pass",
        (f"{_TESTS}/test_writing_failures.py",),
        "a record that was refused counts as written",
    ),
    Fault(
        "common/publisher-answers-early",
        _PUBLISHER,
        "                await call.told\n",
        "                await asyncio.sleep(0)\n",
        _PUBLISHER_TESTS,
        "Meta is told 200 for what is not stored",
    ),
    Fault(
        "common/publisher-without-end",
        _PUBLISHER,
        "if call.deadline <= now and not call.told.done():",
        "if False:",
        _PUBLISHER_TESTS,
        "callers wait for a partition that does not answer, without end",
        hangs=True,
    ),
    Fault(
        "common/queue-told-by-the-first",
        _QUEUES,
        "elif self._left == 0:",
        "else:",
        _PUBLISHER_TESTS,
        "a request of several records is answered after the first",
    ),
    Fault(
        "common/queue-writes-what-was-refused",
        _QUEUES,
        "group = [entry for entry in waiting if not entry.call.told.done()]",
        "group = waiting",
        _PUBLISHER_TESTS,
        "what a caller was told is not stored is stored later",
    ),
    Fault(
        "common/queue-swallows-errors",
        _QUEUES,
        "            refused: Exception = error\n            return refused",
        "            return None",
        _PUBLISHER_TESTS,
        "a record that Kafka refused counts as stored",
    ),
    Fault(
        "common/partition-unaware-of-topics",
        _WRITING,
        "partition_of(record.key, counts[record.topic])",
        "partition_of(record.key, max(counts.values()))",
        (f"{_TESTS}/test_queues.py", f"{_TESTS}/test_writing.py::test_topics_are_told_apart_and_have_their_own_counts"),
        "records are put into partitions that their topic does not have",
    ),
    Fault(
        "common/records-correlation-of-any-length",
        _RECORDS,
        "correlation = given if given and len(given) <= _MAX_CORRELATION_ID else fallback_correlation_id",
        "correlation = given or fallback_correlation_id",
        (f"{_TESTS}/test_edges.py",),
        "a header of a megabyte travels through every topic",
    ),
    Fault(
        "common/records-without-correlation",
        _RECORDS,
        "        (CORRELATION_ID, trace.correlation_id.encode()),\n",
        "",
        ("services/ingress/tests/test_routes.py",),
        "an exchange cannot be followed through the topics",
    ),
    Fault(
        "common/coordinator-error-is-no-offset",
        f"{_KAFKA}/coordinator.py",
        "            raise error\n",
        "",
        (f"{_TESTS}/test_coordinator.py",),
        "after a broker's restart a group begins at the start of its topics",
    ),
    Fault(
        "common/coordinator-not-installed",
        _CLIENTS,
        "    heed_errors()\n",
        "",
        (f"{_TESTS}/test_client_settings.py",),
        "after a broker's restart a group begins at the start of its topics",
    ),
)
