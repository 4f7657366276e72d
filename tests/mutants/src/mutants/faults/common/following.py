"""Faults in `common.kafka`: followers, tables, writing."""

from typing import Final

from mutants.fault import Fault

_KAFKA: Final = "libs/common/src/common/kafka"
_TESTS: Final = "libs/common/tests"
_CLIENTS: Final = f"{_KAFKA}/clients.py"
_TABLE: Final = f"{_KAFKA}/consume/table.py"
_FOLLOWER: Final = f"{_KAFKA}/consume/at_least_once.py"
_WRITING: Final = f"{_KAFKA}/produce/batches.py"
_PUBLISHER: Final = f"{_KAFKA}/produce/publisher.py"
_QUEUES: Final = f"{_KAFKA}/produce/publish_queue.py"
_RECORDS: Final = f"{_KAFKA}/records.py"

_TABLE_TESTS: Final = (f"{_TESTS}/kafka/consume/test_table.py",)
_FOLLOWER_TESTS: Final = (f"{_TESTS}/kafka/consume/test_at_least_once.py",)
_PUBLISHER_TESTS: Final = (f"{_TESTS}/kafka/produce/test_publisher.py", f"{_TESTS}/kafka/produce/test_publish_queue.py")

FAULTS: Final = (
    Fault(
        "common/follower-commits-first",
        _FOLLOWER,
        """                if read:
                    await self._handle(read)
                offsets = {tp: batch[-1].offset + 1 for tp, batch in batches.items()}
                await consumer.commit(offsets)
""",
        """                offsets = {tp: batch[-1].offset + 1 for tp, batch in batches.items()}
                await consumer.commit(offsets)
                if read:
                    await self._handle(read)
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
        "after one error of Kafka the topic is no longer followed",
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
        (f"{_TESTS}/kafka/produce/test_writing_failures.py",),
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
        "common/publisher-always-reachable",
        _PUBLISHER,
        "        except (KafkaError, TimeoutError):\n            KAFKA.lost()\n            return False",
        "        except (KafkaError, TimeoutError):\n            KAFKA.lost()\n            return True",
        (f"{_TESTS}/http/service/test_reachable.py",),
        "ingress is ready while Kafka is away",
    ),
    Fault(
        "common/publisher-asks-without-end",
        _PUBLISHER,
        "            async with asyncio.timeout(seconds):\n                await self._producer.client",
        "            async with asyncio.timeout(None):\n                await self._producer.client",
        (f"{_TESTS}/http/service/test_reachable.py",),
        "readiness hangs with Kafka",
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
        (
            f"{_TESTS}/kafka/produce/test_publish_queue.py",
            f"{_TESTS}/kafka/produce/test_batches.py::test_topics_are_told_apart_and_have_their_own_counts",
        ),
        "records are put into partitions that their topic does not have",
    ),
    Fault(
        "common/records-correlation-of-any-length",
        _RECORDS,
        "correlation = given if given and len(given) <= MAX_CORRELATION_ID else fallback_correlation_id",
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
        f"{_KAFKA}/wire/aiokafka_patch.py",
        "        self._raise(answer.error_code)\n",
        "",
        (f"{_TESTS}/kafka/wire/test_aiokafka_patch.py",),
        "after a broker's restart a group begins at the start of its topics",
    ),
    Fault(
        "common/coordinator-not-installed",
        _CLIENTS,
        "    patch_offset_fetch()\n    patch_decoding()\n",
        "    patch_decoding()\n",
        (f"{_TESTS}/kafka/test_client_settings.py",),
        "after a broker's restart a group begins at the start of its topics",
    ),
)
