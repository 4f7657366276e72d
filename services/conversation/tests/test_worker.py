"""The worker between Kafka and MongoDB, both fakes: what is stored, published and committed, and in which order."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from conversation_builders import ADA, CALLBACKS, NUMBER, FakeRecord, message, result, status, webhook
from pymongo.errors import AutoReconnect

from common.contracts import topics, webhooks
from common.contracts.envelope import decode, decoder
from common.contracts.messages import IncomingMessage, MessageStatus
from common.errors import Unavailable
from common.kafka.consume.dlq_limit import DeadLetterLimit, DeadLetterSettings
from common.kafka.consume.partition_session import Halted
from common.kafka.records import read_headers
from common.telemetry.tenants import Tenants
from conversation import handlers
from conversation.applying import Applying
from conversation.batch.working_set import Known
from conversation.handlers import ConversationWorker
from conversation.in_flight import MOST

PARTITION = TopicPartition(topics.WEBHOOKS.name, 0)
incoming, statuses = decoder(IncomingMessage), decoder(MessageStatus)


class Store:
    """Keeps the wamids of what it was told, one list for each transaction. `breaks` says what a batch meets."""

    def __init__(self, steps):
        self.steps, self.stored, self.owners, self.seconds = steps, [], [], []
        self.breaks = lambda _: None

    def owned_by(self, *partitions, sessions):
        assert sessions == MOST

        @asynccontextmanager
        async def owned():
            self.owners.append(partitions)
            try:
                yield partitions
            finally:
                self.owners.append(None)

        return owned()

    async def apply(self, owned, _keys, decide, *, seconds):
        assert owned == self.owners[-1]
        self.seconds.append(seconds)
        plan = decide(Known())
        wamids = [document.get("wamid") for document in plan.webhook_events]
        error = self.breaks(wamids)
        if error is not None:
            raise error
        self.stored.append(wamids)
        self.steps.append("store")
        return plan


class Session:
    """A session with these batches; `committed` is what Kafka has. After the last one it is superseded."""

    group, slot = "g", "all"

    def __init__(self, steps, *batches, partitions=(PARTITION,)):
        self.steps, self.batches, self.partitions = steps, list(batches), frozenset(partitions)
        self.stopping, self.committed, self.asked, self.vain = asyncio.Event(), [], [], 0
        self.read_from = []

    async def fetch(self, partitions, *, max_records, timeout_ms=1_000):
        self.asked.append(max_records)
        self.read_from.append(frozenset(partitions))
        await asyncio.sleep(0)
        if not self.batches:
            if timeout_ms:
                self.stopping.set()
            return {}
        batch = self.batches.pop(0)
        batch = batch if isinstance(batch, dict) else {PARTITION: batch}
        return {place: records for place, records in batch.items() if records}

    async def commit(self, outgoing, offsets):
        self.steps.append("commit")
        self.committed.append((list(outgoing), dict(offsets)))

    def tried(self):
        self.vain += 1


class ChatbotDirectory:
    def __init__(self):
        self.asked, self.inactive = [], set()

    async def chatbots(self, numbers):
        self.asked.append(set(numbers))
        return dict.fromkeys(numbers, "bot")

    def deactivated(self, numbers):
        return self.inactive & set(numbers)

    def tenant(self, _key):
        return "bot"


class Room:
    def __init__(self):
        self.steps = []
        self.store, self.numbers = Store(self.steps), ChatbotDirectory()
        self.there = asyncio.Event()
        self.there.set()
        self.indexes = SimpleNamespace(wait=self.there.wait, tries=0)

    def worker(self, batch_records=50, **letters):
        limit = DeadLetterLimit(DeadLetterSettings(**letters))
        applying = Applying(self.store, self.numbers, limit, tenants=Tenants(10), callbacks=CALLBACKS)
        return ConversationWorker(applying, self.indexes, batch_records=batch_records)

    async def work(self, *batches, **settings):
        session = Session(self.steps, *batches)
        async with asyncio.timeout(10):
            await self.worker(**settings)(session)
        return session


@pytest.fixture
def room():
    return Room()


def batch_of(*records, start=40):
    for offset, record in enumerate(records, start):
        record.offset = offset
    return list(records)


def messages(count):
    return [message(f"wamid.{n}") for n in range(count)]


def broken():
    record = message("wamid.bad")
    record.value = record.value[:-5]
    return record


def published(outgoing):
    return [decode(incoming, r.value).data.wamid for r in outgoing if r.topic == topics.INCOMING_MESSAGES.name]


def letters(outgoing):
    return [r for r in outgoing if r.topic == topics.WEBHOOKS_DLQ.name]


async def test_a_batch_is_stored_then_published_and_committed_behind_its_last_record(room):
    session = await room.work(batch_of(*messages(3)), batch_of(message("wamid.3"), start=43))
    (first, offsets), (second, after) = session.committed
    assert (published(first), published(second)) == (["wamid.0", "wamid.1", "wamid.2"], ["wamid.3"])
    assert (offsets, after) == ({PARTITION: 43}, {PARTITION: 44})
    assert room.steps == ["store", "commit", "store", "commit"]
    assert room.store.stored == [["wamid.0", "wamid.1", "wamid.2"], ["wamid.3"]]


async def test_gaps_between_offsets_are_passed(room):
    """Compaction and the markers of transactions leave some."""
    records = messages(2)
    records[0].offset, records[1].offset = 40, 57
    session = await room.work(records)
    assert session.committed[0][1] == {PARTITION: 58}


@pytest.mark.parametrize("where", range(7))
async def test_a_record_that_breaks_its_batch_is_a_dead_letter_and_the_others_are_not(room, where):
    room.store.breaks = lambda wamids: RuntimeError("a mistake") if "wamid.bad" in wamids else None
    records = messages(6)
    records.insert(where, message("wamid.bad"))
    session = await room.work(batch_of(*records))
    ((outgoing, offsets),) = session.committed
    assert published(outgoing) == [f"wamid.{n}" for n in range(6)]
    (letter,) = letters(outgoing)
    assert letter.value == records[where].value
    assert offsets == {PARTITION: 47}
    assert sorted(wamid for part in room.store.stored for wamid in part) == [f"wamid.{n}" for n in range(6)]


@pytest.mark.parametrize("where", [0, 2, 4])
async def test_a_record_that_is_not_understood_is_a_dead_letter_with_all_that_is_known_of_it(room, where):
    records = messages(4)
    bad = broken()
    bad.headers = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("x", b"y"))
    records.insert(where, bad)
    session = await room.work(batch_of(*records))
    ((outgoing, offsets),) = session.committed
    (letter,) = letters(outgoing)
    headers = read_headers(letter.headers)
    assert (letter.key, letter.value) == ("k", bad.value)
    assert (headers["origin-topic"], headers["origin-partition"], headers["origin-offset"]) == (
        topics.WEBHOOKS.name,
        "0",
        str(40 + where),
    )
    assert (headers["code"], headers["traceparent"]) == ("undecodable_record", bad.headers[0][1].decode())
    assert headers["reason"]
    assert headers["first-failed-at"]
    assert len(published(outgoing)) == 4
    assert offsets == {PARTITION: 45}


async def test_a_dead_letter_is_no_larger_than_its_topic_takes(room):
    bad = broken()
    bad.value, bad.key = b"x" * 9_000_000, b"\xff" * 3_000_000
    bad.headers = (("traceparent", b"t" * 3_000_000), ("correlation-id", b"c" * 3_000_000), ("n" * 3_000_000, b""))
    session = await room.work(batch_of(bad))
    (letter,) = letters(session.committed[0][0])
    headers = sum(len(name.encode()) + len(text) for name, text in letter.headers)
    assert len(letter.key.encode()) + len(letter.value) + headers < topics.WEBHOOKS_DLQ.max_message_bytes
    assert len(letter.value) > 6_000_000


async def test_a_batch_of_nothing_but_bad_records_is_dead_letters_and_no_transaction(room):
    session = await room.work(batch_of(broken(), broken()))
    ((outgoing, offsets),) = session.committed
    assert (len(letters(outgoing)), offsets, room.store.stored) == (2, {PARTITION: 42}, [])


@pytest.mark.parametrize(
    "error", [AutoReconnect("away"), Unavailable("away", code="x"), TimeoutError(), ConnectionResetError(), OSError()]
)
async def test_an_outage_makes_no_dead_letter_and_commits_nothing(room, error):
    room.store.breaks = lambda _: error
    session = Session(room.steps, batch_of(*messages(4)))
    with pytest.raises(type(error)):
        await room.worker()(session)
    assert session.committed == []
    assert room.store.owners[-1] is None


async def test_a_batch_that_does_not_get_through_in_time_makes_the_next_ones_smaller_for_a_while(room):
    worker, slow = room.worker(batch_records=8), [True]
    room.store.breaks = lambda _: TimeoutError() if slow[0] else None
    with pytest.raises(TimeoutError):
        await worker(Session(room.steps, batch_of(*messages(8))))
    slow[0] = False
    session = Session(room.steps, *(batch_of(*messages(n)) for n in (4, 5, 6)))
    await worker(session)
    assert session.asked == [4, 5, 6, 7, 7]  # after the last full batch: first what is there, then what comes


async def test_a_batch_has_at_most_as_many_records_as_is_set(room):
    session = await room.work(batch_records=17)
    assert session.asked == [17]


async def test_a_session_that_was_superseded_takes_no_further_batch(room):
    session = Session(room.steps, batch_of(*messages(1)), batch_of(*messages(1)))
    commit = session.commit

    async def superseded(outgoing, offsets):
        await commit(outgoing, offsets)
        session.stopping.set()

    session.commit = superseded
    async with asyncio.timeout(5):
        await room.worker()(session)
    assert len(session.committed) == 1
    assert len(session.asked) == 1


async def test_each_partition_of_each_group_has_an_owner(room):
    """Its name is the same whether a process works on it alone or with others."""
    other = TopicPartition(topics.SEND_RESULTS.name, 3)
    await room.worker()(Session(room.steps, partitions=(PARTITION, other)))
    assert room.store.owners == [("g/whatsapp-cloud-send-results-3", "g/whatsapp-cloud-webhooks-0"), None]


async def test_nothing_is_read_before_the_indexes_are_there(room, monkeypatch):
    monkeypatch.setattr(handlers, "_LOOK_SECONDS", 0.005)
    room.there.clear()
    session = Session(room.steps, batch_of(*messages(1)))
    working = asyncio.create_task(room.worker()(session))
    await asyncio.sleep(0)
    for room.indexes.tries in range(1, 4):
        async with asyncio.timeout(5):
            while session.vain < room.indexes.tries:
                await asyncio.sleep(0.001)
    assert session.asked == []
    assert room.store.owners == []
    room.there.set()
    async with asyncio.timeout(5):
        await working
    assert len(session.committed) == 1


async def test_who_waits_for_indexes_can_be_superseded(room):
    room.there.clear()
    session = Session(room.steps, batch_of(*messages(1)))
    working = asyncio.create_task(room.worker()(session))
    await asyncio.sleep(0)
    session.stopping.set()
    async with asyncio.timeout(5):
        await working
    assert session.asked == []


async def test_records_that_are_not_understood_count_towards_the_limit(room):
    session = Session(room.steps, batch_of(*(broken() for _ in range(4))))
    with pytest.raises(Halted):
        await room.worker(dlq_limit=3, dlq_limit_share=0, dlq_limit_tenants=1)(session)
    assert session.committed == []


async def test_records_that_cannot_be_applied_count_towards_the_limit_and_a_halt_is_no_dead_letter(room):
    room.store.breaks = lambda wamids: RuntimeError("a mistake") if wamids else None
    session = Session(room.steps, batch_of(*messages(4)))
    with pytest.raises(Halted):
        await room.worker(dlq_limit=3, dlq_limit_share=0, dlq_limit_tenants=1)(session)
    assert session.committed == []


async def test_numbers_are_looked_up_and_their_messages_belong_to_their_chatbots(room):
    session = await room.work(batch_of(message("wamid.1"), status("sent"), message("wamid.2", number="15")))
    assert room.numbers.asked == [{NUMBER, "15"}]
    events = [r for r in session.committed[0][0] if r.topic == topics.INCOMING_MESSAGES.name]
    assert [decode(incoming, r.value).data.chatbot_id for r in events] == ["bot", "bot"]


async def test_messages_for_a_deactivated_account_are_stored_and_not_published(room):
    room.numbers.inactive = {"15"}
    session = await room.work(batch_of(message("wamid.1"), message("wamid.2", number="15")))
    events = [r for r in session.committed[0][0] if r.topic == topics.INCOMING_MESSAGES.name]
    assert [decode(incoming, r.value).data.wamid for r in events] == ["wamid.1"]


async def test_what_meta_changes_of_a_number_is_passed_on(room):
    change = webhook(webhooks.CHANGE, {"event": "UPGRADE", "display_phone_number": "1"})
    change.value = change.value.replace(b'"field":"messages"', b'"field":"phone_number_quality_update"')
    session = await room.work(batch_of(change))
    assert [r.topic for r in session.committed[0][0]] == [topics.NUMBERS.name]


async def test_an_event_that_no_broker_takes_does_not_stop_its_partition(room):
    large = message("wamid.large", text="x" * 2_300_000)
    session = await room.work(batch_of(message("wamid.0"), large, message("wamid.1")))
    ((outgoing, offsets),) = session.committed
    assert published(outgoing) == ["wamid.0", "wamid.1"]
    assert [letter.value for letter in letters(outgoing)] == [large.value]
    assert offsets == {PARTITION: 43}


async def test_results_and_statuses_are_events_too(room):
    read = FakeRecord(result().value, topic=topics.SEND_RESULTS.name)
    session = await room.work(batch_of(status("sent", contact=ADA), read))
    events = session.committed[0][0]
    assert [r.topic for r in events] == [topics.MESSAGE_STATUS.name] * 2
    told = [decode(statuses, r.value).data.conversation_id for r in events]
    assert told[0]
    assert [r.key for r in events] == told == [told[0]] * 2  # in one partition with the messages


RESULTS = TopicPartition(topics.SEND_RESULTS.name, 0)
PLACES = [TopicPartition(topics.WEBHOOKS.name, n) for n in range(4)]


def spread(*counts, start=40):
    """So many messages in each of the partitions. The offsets are the same in all of them."""
    batch = {}
    for place, count in zip(PLACES, counts, strict=False):
        records = batch_of(*(message(f"wamid.{place.partition}.{n}") for n in range(count)), start=start)
        for record in records:
            record.partition = place.partition
        batch[place] = records
    return batch


async def work_on(room, *batches, worker=None, **settings):
    session = Session(room.steps, *batches, partitions=PLACES)
    async with asyncio.timeout(10):
        await (worker or room.worker(**settings))(session)
    return session


async def test_the_records_of_all_partitions_are_one_transaction_in_mongodb_and_one_in_kafka(room):
    session = await work_on(room, spread(1, 2, 0, 1))
    assert room.steps == ["store", "commit"]
    ((outgoing, offsets),) = session.committed
    assert sorted(published(outgoing)) == ["wamid.0.0", "wamid.1.0", "wamid.1.1", "wamid.3.0"]
    assert offsets == {PLACES[0]: 41, PLACES[1]: 42, PLACES[3]: 41}


async def test_records_of_several_partitions_apply_in_the_order_in_which_they_were_written(room):
    """A status is caused by the send that a result tells of; a person's records may be in two partitions once."""
    batch = spread(2, 2)
    accepted = FakeRecord(result().value, topic=topics.SEND_RESULTS.name, timestamp=2)
    for records, times in ((batch[PLACES[0]], (1, 4)), (batch[PLACES[1]], (3, 3))):
        for record, at in zip(records, times, strict=True):
            record.timestamp = at
    session = await work_on(room, batch | {RESULTS: [accepted]})
    told = [(r.topic, decode(incoming, r.value).data.wamid) for r in session.committed[0][0] if "incoming" in r.topic]
    assert [wamid for _, wamid in told] == ["wamid.0.0", "wamid.1.0", "wamid.1.1", "wamid.0.1"]
    assert [r.topic for r in session.committed[0][0]].index(topics.MESSAGE_STATUS.name) == 1


@pytest.mark.parametrize("bad", range(4))
async def test_a_record_that_breaks_the_batch_does_not_hold_the_other_partitions_up(room, bad):
    """They are committed before its own partition is searched for it, and each record is committed once."""
    batch = spread(3, 3, 3, 3)
    culprit = batch[PLACES[bad]][1]
    culprit.value = message("wamid.bad").value
    room.store.breaks = lambda wamids: RuntimeError("a mistake") if "wamid.bad" in wamids else None
    session = await work_on(room, batch)
    *others, (last, offsets) = session.committed
    assert offsets == {PLACES[bad]: 43}
    assert [letter.value for letter in letters(last)] == [culprit.value]
    assert published(last) == [f"wamid.{bad}.0", f"wamid.{bad}.2"]
    assert {place: at for _, part in others for place, at in part.items()} == {
        place: 43 for place in PLACES if place.partition != bad
    }
    assert sum(len(published(outgoing)) for outgoing, _ in session.committed) == 11


async def test_every_partition_may_have_a_record_that_breaks_its_batch(room):
    batch = spread(2, 2, 2, 2)
    for place in PLACES:
        batch[place][0].value = message(f"wamid.bad.{place.partition}").value
    bad = {f"wamid.bad.{n}" for n in range(4)}
    room.store.breaks = lambda wamids: RuntimeError("a mistake") if bad & set(wamids) else None
    session = await work_on(room, batch)
    assert sum(len(letters(outgoing)) for outgoing, _ in session.committed) == 4
    assert sorted(wamid for outgoing, _ in session.committed for wamid in published(outgoing)) == [
        f"wamid.{n}.1" for n in range(4)
    ]
    assert {place: at for _, part in session.committed for place, at in part.items()} == dict.fromkeys(PLACES, 42)


async def test_dead_letters_are_counted_for_the_tenants_of_their_own_partitions(room, monkeypatch):
    """All of these records have the same offset."""
    batch = spread(1, 1, 1, 1)
    for place in PLACES:
        batch[place][0].key = f"number-{place.partition}:p".encode()
    batch[PLACES[2]][0].value = b"{"
    monkeypatch.setattr(room.numbers, "tenant", lambda key: key.decode().partition(":")[0])
    noted = {}
    monkeypatch.setattr(
        DeadLetterLimit,
        "note",
        lambda _, *, tenant, records, letters, now: noted.update({tenant: (records, letters)}),  # noqa: ARG005
    )
    await work_on(room, batch)
    assert noted == {f"number-{n}": (1, int(n == 2)) for n in range(4)}


async def test_a_partition_that_is_slow_is_tried_alone_and_holds_the_others_up_for_less_time(room):
    room.store.breaks = lambda wamids: TimeoutError() if "wamid.2.0" in wamids else None
    worker = room.worker()
    with pytest.raises(TimeoutError):
        await work_on(room, spread(1, 1, 1, 1), worker=worker)
    assert room.store.seconds == [10.0]
    session = Session(room.steps, spread(1, 1, 1, 1), partitions=PLACES)
    with pytest.raises(TimeoutError):  # each was in the batch, so each is tried alone
        await worker(session)
    assert [offsets for _, offsets in session.committed] == [{PLACES[0]: 41}, {PLACES[1]: 41}]
    assert room.store.seconds[1:] == [2.5, 2.5, 2.5]
    session = await work_on(room, spread(1, 1, 0, 1, start=41), worker=worker)
    assert [sorted(offsets) for _, offsets in session.committed] == [[PLACES[0], PLACES[1]], [PLACES[3]]]
    assert session.read_from[0] == frozenset(PLACES) - {PLACES[2]}  # it rests


async def test_a_partition_that_was_slow_is_with_the_others_again_once_it_gets_through(room):
    worker, slow = room.worker(), [True]
    room.store.breaks = lambda _: TimeoutError() if slow[0] else None
    with pytest.raises(TimeoutError):
        await work_on(room, spread(1, 1, 1, 1), worker=worker)
    slow[0] = False
    session = await work_on(room, spread(1, 1, 1, 1), spread(1, 1, 1, 1, start=41), worker=worker)
    assert [len(offsets) for _, offsets in session.committed] == [1, 1, 1, 1, 4]


async def test_the_only_partition_of_a_session_has_all_the_time_each_time(room):
    worker = room.worker()
    room.store.breaks = lambda _: TimeoutError()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await worker(Session(room.steps, batch_of(*messages(4))))
    assert room.store.seconds == [10.0, 10.0]


async def test_after_a_full_batch_the_other_partitions_come_first(room):
    session = await work_on(room, spread(4), spread(0, 4), {}, {}, spread(1, start=44), batch_records=4)
    first, second, third = frozenset(PLACES), frozenset(PLACES) - {PLACES[0]}, frozenset(PLACES[2:])
    assert session.read_from[:4] == [first, second, third, third]
    assert session.read_from[4] <= frozenset(PLACES[:2])  # the others have nothing


class SlowKafka(Session):
    """Commits when it is told to."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.may_commit, self.breaks = asyncio.Event(), None

    async def commit(self, outgoing, offsets):
        await self.may_commit.wait()
        if self.breaks is not None:
            raise self.breaks
        await super().commit(outgoing, offsets)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def alone(place, count=1, start=40):
    """A batch with records of one partition."""
    return {PLACES[place]: spread(*[0] * place, count, start=start)[PLACES[place]]}


async def test_with_a_backlog_batches_of_other_partitions_are_worked_on_at_the_same_time(room):
    session = SlowKafka(room.steps, *[alone(n) for n in range(MOST + 1)], partitions=PLACES)
    working = asyncio.create_task(room.worker(batch_records=1)(session))
    await until(lambda: len(room.steps) == MOST)
    for _ in range(20):
        await asyncio.sleep(0)
    assert room.steps == ["store"] * MOST  # so many, and not more
    session.may_commit.set()
    await asyncio.wait_for(working, 5)
    assert sorted(place for _, offsets in session.committed for place in offsets) == sorted(PLACES[: MOST + 1])


async def test_a_partition_is_not_read_while_a_batch_of_it_is_under_way(room):
    session = SlowKafka(room.steps, alone(0), {}, {}, alone(0, start=41), partitions=PLACES)
    working = asyncio.create_task(room.worker(batch_records=1)(session))
    await until(lambda: len(session.asked) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert session.read_from == [frozenset(PLACES), frozenset(PLACES[1:])]
    session.may_commit.set()
    await asyncio.wait_for(working, 5)
    assert session.read_from[2:4] == [frozenset(PLACES[1:]), frozenset(PLACES[:1])]
    assert [offsets for _, offsets in session.committed] == [{PLACES[0]: 41}, {PLACES[0]: 42}]


async def test_without_a_backlog_a_batch_is_committed_before_the_next_one_is_read(room):
    session = SlowKafka(room.steps, spread(1), spread(1, start=41), partitions=PLACES)
    working = asyncio.create_task(room.worker(batch_records=2)(session))
    await until(lambda: room.steps)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (room.steps, len(session.asked)) == (["store"], 1)
    session.may_commit.set()
    await asyncio.wait_for(working, 5)


async def test_a_session_ends_with_the_failure_of_any_of_its_batches_and_after_all_of_them(room):
    """Its successor reads the committed offsets. A commit after that would be of two owners."""
    room.store.breaks = lambda wamids: AutoReconnect("away") if "wamid.1.0" in wamids else None
    session = SlowKafka(room.steps, alone(0), alone(1), alone(2), partitions=PLACES)
    working = asyncio.create_task(room.worker(batch_records=1)(session))
    await until(lambda: len(session.asked) >= 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not working.done()
    session.may_commit.set()
    with pytest.raises(AutoReconnect):
        await asyncio.wait_for(working, 5)
    assert {PLACES[0]: 41} in [offsets for _, offsets in session.committed]
    assert {PLACES[1]: 41} not in [offsets for _, offsets in session.committed]
    assert room.store.owners[-1] is None


async def test_a_batch_whose_commit_failed_ends_its_session(room):
    session = SlowKafka(room.steps, alone(0), alone(1), alone(2), partitions=PLACES)
    session.breaks = RuntimeError("fenced")
    working = asyncio.create_task(room.worker(batch_records=1)(session))
    await until(lambda: room.steps == ["store"])
    session.may_commit.set()
    with pytest.raises(RuntimeError, match="fenced"):
        await asyncio.wait_for(working, 5)
    assert session.committed == []
    assert room.store.owners[-1] is None


async def test_a_session_that_was_superseded_ends_what_it_has_begun(room):
    session = SlowKafka(room.steps, alone(0), partitions=PLACES)
    working = asyncio.create_task(room.worker(batch_records=1)(session))
    await until(lambda: room.steps)
    session.stopping.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert room.store.owners[-1] is not None
    session.may_commit.set()
    await asyncio.wait_for(working, 5)
    assert [offsets for _, offsets in session.committed] == [{PLACES[0]: 41}]


async def cut_off(working, session):
    """Cancel a worker, and let go on whatever it may have left behind."""
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(working, 5)
    session.may_commit.set()
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_worker_that_is_cancelled_leaves_no_commit_behind(room):
    session = SlowKafka(room.steps, alone(0), alone(1), partitions=PLACES)
    working = asyncio.create_task(room.worker(batch_records=1)(session))
    await until(lambda: len(room.steps) == 2)
    await cut_off(working, session)
    assert session.committed == []


async def test_a_batch_that_hangs_after_its_partitions_were_taken_away_is_cut_off_with_its_worker(room):
    session = SlowKafka(room.steps, alone(1), alone(0), partitions=PLACES)
    ended, commit = asyncio.Event(), session.commit

    async def superseding(outgoing, offsets):
        if PLACES[0] in offsets:
            session.stopping.set()
            ended.set()
        else:
            await commit(outgoing, offsets)

    session.commit = superseding
    working = asyncio.create_task(room.worker(batch_records=1)(session))
    await asyncio.wait_for(ended.wait(), 5)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not working.done()
    await cut_off(working, session)
    assert session.committed == []


async def test_a_full_batch_lets_the_next_one_grow_although_it_was_committed_in_parts(room):
    room.store.breaks = lambda wamids: ValueError("bad") if "wamid.1.0" in wamids else None
    worker = room.worker(batch_records=9)
    worker._batch_size.shrink(4)
    session = await work_on(room, spread(1, 1), spread(1, 2, start=41), worker=worker)
    assert session.asked[:1] == [2]
    assert session.asked[-1] == 4


async def test_records_gather_after_a_batch_that_had_company(room, monkeypatch):
    waited = []

    async def sleep(seconds):
        if seconds:
            waited.append(seconds)

    monkeypatch.setattr(handlers.asyncio, "sleep", sleep)
    await work_on(room, spread(1), batch_records=9)
    assert waited == []
    await work_on(room, spread(1, 1), batch_records=9)
    assert waited == [0.03]
