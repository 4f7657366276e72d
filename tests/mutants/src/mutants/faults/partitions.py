"""Faults in what keeps order and identity when partitions change, or Kafka is another one."""

from typing import Final

from mutants.fault import Fault

_WA: Final = "tools/wa/src/wa"
_CHOICE: Final = f"{_WA}/partitions/choice.py"
_MOVING: Final = f"{_WA}/partitions/moving.py"
_PARKED: Final = f"{_WA}/partitions/parked.py"
_REQUEUE: Final = f"{_WA}/partitions/requeue.py"
_JUDGE: Final = f"{_WA}/doctor/judge_topics.py"
_CREATION: Final = "libs/common/src/common/kafka/topic_creation.py"
_SENDER: Final = "services/sender/src/sender"
_DECISIONS: Final = ("tools/wa/tests/test_partitions.py",)
_MOVES: Final = ("tools/wa/tests/test_requeue.py",)
_ADOPTIONS: Final = ("services/sender/tests/waiting/test_adoption.py",)
_CREATIONS: Final = ("libs/common/tests/kafka/test_topic_creation.py",)
_RECORDS: Final = ("services/sender/tests/worker/test_intake.py", "services/sender/tests/waiting/test_stored_record.py")

FAULTS: Final = (
    Fault(
        "partitions/raised-while-records-are-unread",
        _CHOICE,
        "        if count\n    ]",
        "        if count > 1_000_000\n    ]",
        _DECISIONS,
        "an old record in the old partition is handled after a new one in the new partition",
    ),
    Fault(
        "partitions/raised-while-they-are-written-to",
        _CHOICE,
        "    if seen.writing and not drains_itself:\n",
        "    if False:\n",
        _DECISIONS,
        "two producers disagree for half a minute about the partition of a key",
    ),
    Fault(
        "partitions/raised-while-the-topic-grows",
        _CHOICE,
        "    if seen.ends != before.ends:\n",
        "    if False:\n",
        _DECISIONS,
        "a producer that is not ours writes on, and its records change their order",
    ),
    Fault(
        "partitions/hidden-groups-count-as-done",
        _CHOICE,
        "        for group in seen.hidden\n",
        "        for group in ()\n",
        _DECISIONS,
        "a group that could not be looked at may be behind",
    ),
    Fault(
        "partitions/requeued-request-gets-another-id",
        _MOVING,
        "    return {**_pairs(document), MESSAGE_ID: send.message_id, REKEYED_FROM: place}",
        "    return {**_pairs(document), REKEYED_FROM: place}",
        _DECISIONS,
        "a request without a messageId is sent twice",
    ),
    Fault(
        "partitions/what-is-not-the-send-it-says-is-moved",
        _MOVING,
        "    return found if ids.journal_id(found.chatbot_id, found.message_id) == journal_id else None",
        "    return found",
        _DECISIONS,
        "a send goes out under another id than the journal has",
    ),
    Fault(
        "partitions/removed-before-it-is-on-the-topic",
        _REQUEUE,
        "                await write(",
        "                await remove(database, [one for one, _ in batch])\n                await write(",
        _MOVES,
        "a crash loses parked sends",
    ),
    Fault(
        "partitions/parked-sends-of-another-kafka-stay",
        _PARKED,
        "if one.last >= ends.get(one.partition, 0)",
        "if one.last > ends.get(one.partition, 0)",
        _MOVES,
        "later sends overtake them",
    ),
    Fault(
        "partitions/adopted-send-gets-another-id",
        f"{_SENDER}/waiting/adoption.py",
        "    headers = {**record.headers, MESSAGE_ID: job.message_id, REKEYED_FROM: marker}",
        "    headers = {**record.headers, REKEYED_FROM: marker}",
        _ADOPTIONS,
        "a scheduled request without a messageId becomes another send",
    ),
    Fault(
        "partitions/adopted-although-stored-again",
        f"{_SENDER}/waiting/scheduled_store.py",
        '            UpdateOne({"_id": send.id, "token": send.token}, {"$set": to_document(send.record)}) for send in sends',
        '            UpdateOne({"_id": send.id}, {"$set": to_document(send.record)}) for send in sends',
        _ADOPTIONS,
        "a send that waits anew gets its old record",
    ),
    Fault(
        "partitions/a-place-names-a-request-for-good",
        f"{_SENDER}/worker/intake/judging.py",
        "dated_at=record.timestamp if record.timestamp / 1000 >= dated_since else None",
        "dated_at=None",
        _RECORDS,
        "a request on a new Kafka is taken for one that was sent",
    ),
    Fault(
        "partitions/ids-change-during-an-update",
        f"{_SENDER}/worker/intake/judging.py",
        "dated_at=record.timestamp if record.timestamp / 1000 >= dated_since else None",
        "dated_at=record.timestamp",
        _RECORDS,
        "processes of two versions send a request twice",
    ),
    Fault(
        "partitions/time-of-an-id-is-not-stored",
        f"{_SENDER}/waiting/stored_record.py",
        '        **({"datedAt": record.dated_at} if record.dated_at is not None else {}),\n',
        "",
        _RECORDS,
        "a parked request is another send when it is loaded",
    ),
    Fault(
        "partitions/released-where-it-was-moved-to-before",
        f"{_SENDER}/records/onward.py",
        "if name != REKEYED_FROM}",
        "}",
        _RECORDS,
        "a scheduled send stays at a partition that its chatbot has left",
    ),
    Fault(
        "partitions/log-entry-of-a-new-kafka-is-skipped",
        "services/conversation/src/conversation/batch/log_entries.py",
        "    dated = dated_since is not None and received >= dated_since\n",
        "    dated = False\n",
        ("services/conversation/tests/test_store.py",),
        "Meta's JSON of a status is lost",
    ),
    Fault(
        "partitions/picky-brokers-make-no-topic",
        _CREATION,
        "    if picky:\n",
        "    if False:\n",
        _CREATIONS,
        "on a managed Kafka that refuses one setting there is no topic",
    ),
    Fault(
        "partitions/a-topic-that-takes-no-record-is-well",
        _JUDGE,
        "described.min_in_sync > described.copies:",
        "described.min_in_sync > 99:",
        ("tools/wa/tests/test_doctor_judgements.py",),
        "the doctor says nothing while no record can be written",
    ),
)
