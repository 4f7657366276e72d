"""Faults in `common.kafka`: clients, sessions, followers, tables, writing."""

from typing import Final

from mutants.fault import Fault

_KAFKA: Final = "libs/common/src/common/kafka"
_TESTS: Final = "libs/common/tests"
_CLIENTS: Final = f"{_KAFKA}/clients.py"
_GROUP: Final = f"{_KAFKA}/consume/partition_group.py"
_SLOT: Final = f"{_KAFKA}/consume/partition_slot.py"

_CLIENT_TESTS: Final = (f"{_TESTS}/kafka/test_client_settings.py",)
_REACHED: Final = (f"{_TESTS}/http/service/test_reachable.py",)
_SESSION_TESTS: Final = (
    f"{_TESTS}/kafka/consume/test_partition_session.py",
    f"{_TESTS}/kafka/consume/test_partition_group.py",
)

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
        "offsets of unfinished records are committed on a timer",
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
        "no process is fenced: one that was cut off goes on writing",
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
        _SLOT,
        """            await producer.start()
            self.committed = {tp: await self._seek_to_committed(consumer, tp) for tp in self.partitions}
""",
        """            self.committed = {tp: await self._seek_to_committed(consumer, tp) for tp in self.partitions}
            await producer.start()
""",
        _SESSION_TESTS,
        "what the predecessor commits last is read again, and written twice",
    ),
    Fault(
        "common/session-does-not-seek",
        _SLOT,
        "        consumer.seek(tp, committed)\n",
        "",
        _SESSION_TESTS,
        "a session that failed goes on behind the records that failed",
    ),
    Fault(
        "common/session-begins-at-the-end",
        _SLOT,
        "await consumer.beginning_offsets([tp])",
        "await consumer.end_offsets([tp])",
        _SESSION_TESTS,
        "a new group skips what is there",
    ),
    Fault(
        "common/session-without-transaction",
        "libs/common/src/common/kafka/consume/partition_session.py",
        "async with self.producer.transaction():",
        "if True:",
        _SESSION_TESTS,
        "records are written and their offsets are not, or the other way round",
    ),
    Fault(
        "common/session-offsets-left-out",
        "libs/common/src/common/kafka/consume/partition_session.py",
        "                if offsets:\n                    await self.producer.send_offsets",
        "                if offsets and not outgoing:\n                    await self.producer.send_offsets",
        _SESSION_TESTS,
        "a batch that publishes something is read again after each restart",
    ),
    Fault(
        "common/session-offsets-of-another-group",
        "libs/common/src/common/kafka/consume/partition_session.py",
        "send_offsets_to_transaction(dict(offsets), self.group)",
        "send_offsets_to_transaction(dict(offsets), self.slot)",
        _SESSION_TESTS,
        "the group never learns of what was committed",
    ),
    Fault(
        "common/session-fetches-while-stopping",
        "libs/common/src/common/kafka/consume/partition_session.py",
        "        if self.stopping.is_set():\n            return {}\n        wanted",
        "        wanted",
        _SESSION_TESTS,
        "a superseded session takes new work on",
    ),
    Fault(
        "common/session-waits-for-its-fetch",
        "libs/common/src/common/kafka/consume/partition_session.py",
        "        for task in self._fetching:\n            task.cancel()",
        "        return",
        _SESSION_TESTS,
        "a rebalance waits for fetches that wait for the rebalance",
    ),
    Fault(
        "common/session-of-all-partitions",
        "libs/common/src/common/kafka/consume/partition_session.py",
        "wanted = partitions or self.partitions",
        "wanted = partitions",
        _SESSION_TESTS,
        "a session reads the records of another one, and commits none of them",
    ),
    Fault(
        "common/session-revoked-and-going-on",
        _GROUP,
        "        self._assigned = False\n        await self._close_slots()",
        "        self._assigned = False",
        _SESSION_TESTS,
        "a superseded session goes on beside its successor",
    ),
    Fault(
        "common/session-late-workers-live-on",
        _GROUP,
        "        await cancel(late)",
        "",
        _SESSION_TESTS,
        "a worker that does not end in its time works on partitions of another process",
    ),
    Fault(
        "common/session-assigned-while-leaving",
        _GROUP,
        "        if self._leaving:\n            return  # a rebalance",
        "        if False:\n            return  # a rebalance",
        _SESSION_TESTS,
        "sessions begin that nothing ends",
    ),
    Fault(
        "common/session-fenced-comes-back-at-once",
        _SLOT,
        "pause = self.parts.fenced_pause",
        "pause = 0.0",
        _SESSION_TESTS,
        "two owners of a partition fence each other for ever",
    ),
    Fault(
        "common/session-halted-starts-again",
        _SLOT,
        "                await self.stopping.wait()\n                return\n",
        "",
        _SESSION_TESTS,
        "a flood of dead letters goes on",
    ),
    Fault(
        "common/session-producer-of-the-group",
        _SLOT,
        'parts.make_producer(f"{parts.group}-{self.name}")',
        "parts.make_producer(parts.group)",
        _SESSION_TESTS,
        "partitions fence one another, or an old owner of one is not fenced",
    ),
    Fault(
        "common/session-producer-left-open",
        _SLOT,
        "                    await producer.stop()\n\n    async def _seek",
        "                    pass\n\n    async def _seek",
        _SESSION_TESTS,
        "each failure leaves a producer with its connections behind",
    ),
    Fault(
        "common/session-partitions-not-paused",
        _GROUP,
        "            self._consumer.pause(*assigned)",
        "            pass",
        _SESSION_TESTS,
        "records are fetched before the predecessor is fenced",
    ),
    Fault(
        "common/session-partitions-not-resumed",
        _SLOT,
        "            consumer.resume(*self.partitions)\n",
        "",
        _SESSION_TESTS,
        "nothing is ever read",
    ),
    Fault(
        "common/session-ready-while-it-fails",
        _GROUP,
        "return consumer is not None and self._assigned and len(self._sessions) == len(self._slots)",
        "return consumer is not None and self._assigned",
        _SESSION_TESTS,
        "a service that can do nothing says that it is ready",
    ),
    Fault(
        "common/group-always-reachable",
        _GROUP,
        "        except (KafkaError, TimeoutError):\n            KAFKA.lost()\n            return False",
        "        except (KafkaError, TimeoutError):\n            KAFKA.lost()\n            return True",
        _REACHED,
        "a service is ready while Kafka is away",
    ),
    Fault(
        "common/group-reachable-before-it-joins",
        _GROUP,
        "        if self._consumer is None:\n            return self._resting\n",
        "        if self._consumer is None:\n            return True\n",
        _REACHED,
        "a service is ready that has never spoken to Kafka",
    ),
    Fault(
        "common/session-always-alive",
        _GROUP,
        "return time.monotonic() - self._alive_at if self._sessions else 0.0",
        "return 0.0",
        _SESSION_TESTS,
        "a service that hangs is never restarted",
    ),
)
