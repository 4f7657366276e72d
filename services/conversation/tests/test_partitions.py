"""Conversation on real Kafka and MongoDB: each message one event, whatever fails in between (P2)."""

import asyncio
import json
import uuid
from collections import Counter
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from aiokafka import TopicPartition
from conversation_builders import CALLBACK_KEYS, CALLBACKS, again, message, result, status
from msgspec.json import encode as encode_json

from common.contracts import topics
from common.contracts.accounts import ACTIVE, AccountData
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.messages import IncomingMessage, MessageStatus
from common.kafka.clients import make_group_consumer, make_reader, make_transactional_producer
from common.kafka.consume.dlq_limit import DeadLetterLimit, DeadLetterSettings
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing, read_headers
from common.mongo import Mongo, OwnedSession
from common.mongo.indexes import Indexes
from common.telemetry.tenants import Tenants
from conversation.applying import Applying
from conversation.chatbot_directory import ChatbotDirectory
from conversation.handlers import ConversationWorker
from conversation.read_api.documents import Documents
from conversation.read_api.queries import ReadQueries
from conversation.read_api.views import message_view
from conversation.settings import Settings
from conversation.store import ConversationStore
from conversation.telemetry import BatchTelemetry

pytestmark = pytest.mark.integration

incoming_decoder, status_decoder = decoder(IncomingMessage), decoder(MessageStatus)


class Room:
    """The service without its HTTP part, with a number and a group of its own."""

    def __init__(self, kafka_bootstrap, mongodb_uri):
        self.number = str(uuid.uuid4().int)[:15]
        self.settings = Settings(
            kafka_bootstrap_servers=kafka_bootstrap,
            mongodb_uri=mongodb_uri,
            mongodb_database=f"conversation_{uuid.uuid4().hex[:10]}",
            consumer_group=f"conversation-{uuid.uuid4().hex}",
            kafka_session_timeout_ms=6_000,
            callback_keys=CALLBACK_KEYS,
        )
        self.mongo = Mongo(self.settings)
        self.store = ConversationStore(self.mongo)
        self.indexes = Indexes(self.store.ensure_indexes)
        self.numbers = ChatbotDirectory(self.settings)
        self.publisher = Publisher(self.settings)

    def worker(self, *, limit=None, **letters):
        limit = limit or DeadLetterLimit(DeadLetterSettings(**letters))
        return ConversationWorker(self.applying(self.store, limit), self.indexes, batch_records=50)

    def applying(self, store, limit):
        return Applying(store, self.numbers, limit, tenants=Tenants(10), callbacks=CALLBACKS)

    def group(self, worker=None, **options):
        return PartitionGroup(
            group=self.settings.consumer_group,
            topics=[topics.WEBHOOKS.name, topics.SEND_RESULTS.name],
            make_consumer=partial(make_group_consumer, self.settings),
            make_producer=partial(make_transactional_producer, self.settings),
            worker=worker or self.worker(),
            **({"slot_of": lambda _: "all"} | options),
        )

    async def publish(self, *records):
        await self.publisher.publish(
            [Outgoing(r.topic, f"{self.number}:{i % 3}", r.value) for i, r in enumerate(records)]
        )

    async def events(self, topic=topics.INCOMING_MESSAGES, wanted=incoming_decoder):
        """Committed events of this room's number."""
        consumer = make_reader(self.settings, topic.name)
        await consumer.start()
        try:
            await consumer.seek_to_beginning(*consumer.assignment())
            ends = await consumer.end_offsets(list(consumer.assignment()))
            found = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(decode(wanted, record.value) for record in batch)
            return [event for event in found if event.data.phone_number_id == self.number]
        finally:
            await consumer.stop()

    async def until_stored(self, count, seconds=60):
        async with asyncio.timeout(seconds):
            while await self.store.messages.count_documents({"direction": "inbound"}) < count:
                await asyncio.sleep(0.05)

    async def until_published(self, count, seconds=60):
        async with asyncio.timeout(seconds):
            while len(await self.events()) < count:
                await asyncio.sleep(0.05)


@pytest.fixture
async def room(kafka_bootstrap, mongodb_uri):
    room = Room(kafka_bootstrap, mongodb_uri)
    await room.publisher.start()
    await room.indexes.start()
    await room.numbers.table.start()
    await room.indexes.wait()
    async with asyncio.timeout(10):
        while not room.publisher.connected:
            await asyncio.sleep(0.01)
    yield room
    await room.numbers.table.stop()
    await room.indexes.stop()
    await room.publisher.stop()
    await room.mongo.client.drop_database(room.settings.mongodb_database)
    await room.mongo.close()


@asynccontextmanager
async def running(*groups):
    for group in groups:
        await group.start()
    try:
        yield
    finally:
        for group in groups:
            await group.stop()


def messages_of(room, count, start=0):
    return [
        message(f"wamid.{room.number}.{n}", text=f"{n}", contact=Contact(user_id=f"DE.{n % 3}"), number=room.number)
        for n in range(start, start + count)
    ]


def assert_once_and_in_order(events, count):
    assert Counter(event.data.wamid for event in events).most_common(1)[0][1] == 1
    assert len(events) == count
    by_conversation = {}
    for event in events:
        by_conversation.setdefault(event.data.conversation_id, []).append(int(event.data.text))
    assert all(numbers == sorted(numbers) for numbers in by_conversation.values())


async def test_each_message_is_published_once_although_meta_repeats_it(room):
    records = messages_of(room, 60)
    await room.publish(*records)
    await room.publish(*[again(record) for record in records])
    async with running(room.group()):
        await room.until_published(60)
        async with asyncio.timeout(30):
            while await room.store.webhook_events.count_documents({"phoneNumberId": room.number}) < 120:
                await asyncio.sleep(0.05)
    assert_once_and_in_order(await room.events(), 60)


async def test_a_crash_between_mongodb_and_kafka_loses_and_doubles_nothing(room):
    torn = []

    async def fails_before_kafka(session):
        commit = session.commit

        async def sometimes(outgoing, offsets):
            if len(torn) < 6 and outgoing:
                torn.append(len(outgoing))
                raise RuntimeError("injected: MongoDB has the batch, Kafka does not")
            await commit(outgoing, offsets)

        session.commit = sometimes
        await room.worker()(session)

    await room.publish(*messages_of(room, 60))
    async with running(room.group(fails_before_kafka)):
        await room.until_published(60)
    assert torn
    assert_once_and_in_order(await room.events(), 60)


async def test_a_crash_while_mongodb_is_ahead_of_kafka_loses_and_doubles_nothing(room):
    """With a backlog a batch of other partitions is applied while one is committed."""
    torn, ahead = [], []
    worker = ConversationWorker(
        room.applying(room.store, DeadLetterLimit(DeadLetterSettings())), room.indexes, batch_records=10
    )

    async def fails_behind(session):
        commit, count = session.commit, room.store.messages.estimated_document_count

        async def sometimes(outgoing, offsets):
            if len(torn) < 3 and outgoing:
                with suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        while await count() <= len(outgoing):
                            await asyncio.sleep(0.005)
                ahead.append(await count() > len(outgoing))
                torn.append(len(outgoing))
                raise RuntimeError("injected: MongoDB has two batches, Kafka not this one")
            await commit(outgoing, offsets)

        session.commit = sometimes
        await worker(session)

    await room.publish(*messages_of(room, 120))
    async with running(room.group(fails_behind)):
        await room.until_published(120)
    assert ahead[0]  # nothing was committed then
    assert_once_and_in_order(await room.events(), 120)


async def test_a_worker_that_hangs_in_its_transaction_does_not_hold_its_successor_up(room):
    records = messages_of(room, 30)
    async with hanging_before_commit(room, records):
        await room.publish(*records)
        async with running(room.group()):
            await room.until_published(30, seconds=30)
    assert_once_and_in_order(await room.events(), 30)


@pytest.mark.feature("windows")
async def test_who_has_written_is_known_to_have_once_the_event_is_out(room):
    reads, asked, unseen = ReadQueries(Documents(room.mongo.database)), set(), []
    async with running(room.group()):
        await room.publish(*messages_of(room, 60))
        async with asyncio.timeout(60):
            while len(asked) < 60:
                new = [event for event in await room.events() if event.data.wamid not in asked]
                told = await reads.windows([(room.number, event.data.contact.user_id) for event in new])
                unseen += [event for event, times in zip(new, told, strict=True) if "lastInboundAt" not in times]
                asked |= {event.data.wamid for event in new}
    assert unseen == []


@asynccontextmanager
async def hanging_before_commit(room, records):
    """The owner of every slot, another process, which has written these records and says nothing any more."""
    mongo = Mongo(room.settings)
    dead = room.applying(ConversationStore(mongo), DeadLetterLimit(DeadLetterSettings()))
    tasks = []
    for partition in range(3):
        slot = f"{room.settings.consumer_group}/{topics.WEBHOOKS.name}-{partition}"
        owned, written = await OwnedSession(mongo, slot).__aenter__(), asyncio.Event()
        owned.client_session.commit_transaction = partial(never, written)
        batch = BatchTelemetry(room.settings.consumer_group, 1)
        tasks.append(asyncio.create_task(dead.together(owned, records[partition::3], batch, 10.0)))
        async with asyncio.timeout(10):
            await written.wait()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await mongo.close()


async def never(reached):
    reached.set()
    await asyncio.Event().wait()


async def test_a_restart_publishes_nothing_again(room):
    await room.publish(*messages_of(room, 60))
    async with running(room.group()):
        await room.until_published(60)
    async with asyncio.timeout(20):
        while await behind(room):  # the brokers end a transaction on each partition by itself, also on that of offsets
            await asyncio.sleep(0.05)
    async with running(room.group()):
        await room.publish(*messages_of(room, 60, start=60))
        await room.until_published(120)
    assert_once_and_in_order(await room.events(), 120)


async def behind(room):
    """How many records the group would read again, or for the first time, if it were started now."""
    consumer = make_group_consumer(room.settings, room.settings.consumer_group)
    await consumer.start()
    try:
        partitions = [TopicPartition(topics.WEBHOOKS.name, n) for n in range(3)]
        ends = await consumer.end_offsets(partitions)
        # The marker of a transaction takes an offset, too; the topic is written without one.
        return sum([ends[tp] - (await consumer.committed(tp) or 0) for tp in partitions])
    finally:
        await consumer.stop()


async def test_two_members_that_share_and_hand_over_partitions_double_nothing(room):
    first, second = room.group(), room.group()
    await room.publish(*messages_of(room, 60))
    async with running(first):
        await room.until_stored(1)
        async with running(second):
            async with asyncio.timeout(60):  # the hand-over: without it this would be about one member
                while not (first.assignment and second.assignment):
                    await asyncio.sleep(0.02)
            assert not first.assignment & second.assignment
            await room.publish(*messages_of(room, 60, start=60))
            await room.until_published(120)
    assert_once_and_in_order(await room.events(), 120)


async def test_a_poison_record_goes_to_the_dead_letter_queue_and_harms_no_other_record(room):
    good = messages_of(room, 10)
    poison = message(f"wamid.{room.number}.poison", number=room.number)
    poison.value = poison.value[:-5]
    await room.publish(*good[:5], poison, *good[5:])
    async with running(room.group()):
        await room.until_published(10)
    consumer = make_reader(room.settings, topics.WEBHOOKS_DLQ.name)
    await consumer.start()
    try:
        await consumer.seek_to_beginning(*consumer.assignment())
        letters = []
        async with asyncio.timeout(20):
            while not letters:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    letters.extend(record for record in batch if record.value == poison.value)
    finally:
        await consumer.stop()
    headers = {name: value.decode() for name, value in letters[0].headers}
    assert headers["code"] == "undecodable_record"
    assert headers["reason"]
    assert headers["origin-topic"] == topics.WEBHOOKS.name


async def test_an_event_that_no_broker_takes_goes_to_the_dead_letter_queue_and_its_message_is_kept(room):
    large = message(f"wamid.{room.number}.large", text="x" * 2_300_000, number=room.number)
    await room.publish(large, *messages_of(room, 3))
    async with running(room.group()):
        await room.until_stored(4)
        await room.until_published(3)
        async with asyncio.timeout(30):
            while not (letters := await dead_letters_of(room, large)):
                await asyncio.sleep(0.05)
    assert letters[0]["code"] == "not_applicable"
    assert "does not take an event of 46" in letters[0]["reason"]
    assert_once_and_in_order(await room.events(), 3)


async def dead_letters_of(room, record):
    """The headers of each dead letter that `record` has become."""
    consumer = make_reader(room.settings, topics.WEBHOOKS_DLQ.name)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        found = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [read_headers(letter.headers) for letter in batch if letter.value == record.value]
        return found
    finally:
        await consumer.stop()


async def test_statuses_and_results_meet_in_one_message_whichever_comes_first(room):
    early = status("read", wamid=f"wamid.{room.number}", message_id=room.number, number=room.number)
    accepted = result(message_id=room.number, wamid=f"wamid.{room.number}")
    accepted.value = accepted.value.replace(b"106540352242922", room.number.encode())
    room.numbers.changed("bot", AccountData(chatbot_id="bot", phone_number_id=room.number, status=ACTIVE, revision=1))
    async with running(room.group()):
        await room.publish(early)
        async with asyncio.timeout(30):
            while not await room.store.messages.count_documents({"wamid": f"wamid.{room.number}"}):
                await asyncio.sleep(0.05)
        await room.publish(accepted)
        async with asyncio.timeout(30):
            while not await room.store.messages.count_documents({"messageId": room.number}):
                await asyncio.sleep(0.05)
        async with asyncio.timeout(30):
            while len(await room.events(topics.MESSAGE_STATUS, status_decoder)) < 3:
                await asyncio.sleep(0.05)
    document = await room.store.messages.find_one({"messageId": room.number})
    assert (document["deliveryStatus"], document["text"]) == ("read", "Hi")
    published = await room.events(topics.MESSAGE_STATUS, status_decoder)
    assert [(event.data.status, event.data.delivery_status, event.data.message_id) for event in published] == [
        ("read", "read", None),
        ("accepted", "read", room.number),
        ("read", "read", room.number),
    ]
    assert len({event.id for event in published}) == 3


async def test_bad_records_of_most_tenants_halt_the_consumer_before_the_queue_is_drained(room):
    numbers = [f"{room.number}{n}" for n in range(3)]
    for number in numbers:
        account = AccountData(chatbot_id=f"bot-{number}", phone_number_id=number, status="active", revision=1)
        room.numbers.changed(account.chatbot_id, account)
    poison = message(f"wamid.{room.number}.poison", number=room.number)
    poison.value = poison.value[:-7]
    # The topics also hold the records of other tests: of one tenant, `unknown`.
    await room.publisher.publish([Outgoing(poison.topic, f"{numbers[n % 3]}:x", poison.value) for n in range(60)])
    limit = DeadLetterLimit(DeadLetterSettings(dlq_limit=10))
    group = room.group(room.worker(limit=limit), halt_seconds=1.0, on_probe=limit.probe)
    async with running(group):
        async with asyncio.timeout(30):
            while not group.halted:
                await asyncio.sleep(0.02)
        assert group.ready
        assert len(await letters_like(room, poison)) < 60
    async with running(room.group(room.worker(dlq_limit=0))):
        async with asyncio.timeout(30):
            while len(await letters_like(room, poison)) < 60:
                await asyncio.sleep(0.05)


def unstorable_result(room, number, metadata):
    record = result(message_id=f"{room.number}-bad-{number}", wamid=f"wamid.{room.number}.{number}")
    value = record.value.replace(b"106540352242922", f"{room.number}0".encode())
    return Outgoing(record.topic, f"{room.number}0:{number}", value.replace(b'{"orderId":17}', metadata))


async def test_results_that_cannot_be_stored_neither_halt_nor_harm_another_tenant(room):
    bad = [b'{"a\\u0000":1}', b'{"n":99999999999999999999}', b'{"deep":' + b"[" * 300 + b"]" * 300 + b"}"]
    records = [unstorable_result(room, n, bad[n % 2]) for n in range(620)]
    records += [unstorable_result(room, n, bad[2]) for n in range(620, 624)]
    good = [result(message_id=f"{room.number}-{n}", wamid=f"wamid.{room.number}.good.{n}") for n in range(60)]
    for place, record in enumerate(good):
        value = record.value.replace(b"106540352242922", room.number.encode())
        records.insert(place * 10, Outgoing(record.topic, f"{room.number}:{place}", value))
    await room.publisher.publish(records)
    limit = DeadLetterLimit(DeadLetterSettings())
    group = room.group(room.worker(limit=limit))
    query = {"messageId": {"$regex": f"^{room.number}-[0-9]"}}
    async with running(group):
        async with asyncio.timeout(60):
            while await room.store.messages.count_documents(query) < 60:
                await asyncio.sleep(0.05)
            while len(await letters_with(room, f"{room.number}-bad-".encode())) < 624:
                await asyncio.sleep(0.1)
        assert not limit.halted
        assert not group.halted
        assert group.ready
    letters = await letters_with(room, f"{room.number}-bad-".encode())
    assert Counter(headers["code"] for headers in letters) == {"not_storable": 620, "not_applicable": 4}


async def test_metadata_that_looks_like_a_reference_is_kept_as_it_is(room):
    metadata = {"$ref": "orders", "$id": 7, "more": [{"$ref": "x", "$id": {"$ref": "y", "$id": None}}]}
    record = unstorable_result(room, 1, json.dumps(metadata).encode())
    await room.publisher.publish([record])
    message_id = f"{room.number}-bad-1"
    delivered = status("delivered", wamid=f"wamid.{room.number}.1", message_id=message_id, number=f"{room.number}0")
    async with running(room.group()):
        async with asyncio.timeout(30):
            while not await room.store.messages.count_documents({"messageId": message_id}):
                await asyncio.sleep(0.05)
        # The status is about a document that was read back.
        await room.publisher.publish([Outgoing(delivered.topic, f"{room.number}0:1", delivered.value)])
        async with asyncio.timeout(30):
            while not await room.store.messages.count_documents(
                {"messageId": message_id, "deliveryStatus": "delivered"}
            ):
                await asyncio.sleep(0.05)
    document = await room.store.messages.find_one({"messageId": message_id})
    assert document["metadata"] == document["request"]["metadata"] == metadata
    assert encode_json(message_view(document))


async def letters_with(room, part):
    """The headers of each dead letter whose value has `part`."""
    consumer = make_reader(room.settings, topics.WEBHOOKS_DLQ.name)
    await consumer.start()
    try:
        await consumer.seek_to_beginning(*consumer.assignment())
        ends = await consumer.end_offsets(list(consumer.assignment()))
        found = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [read_headers(letter.headers) for letter in batch if part in letter.value]
        return found
    finally:
        await consumer.stop()


async def letters_like(room, poison):
    consumer = make_reader(room.settings, topics.WEBHOOKS_DLQ.name)
    await consumer.start()
    try:
        await consumer.seek_to_beginning(*consumer.assignment())
        ends = await consumer.end_offsets(list(consumer.assignment()))
        letters = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                letters.extend(record for record in batch if record.value == poison.value)
    finally:
        await consumer.stop()
    return letters
