"""Whether the record of a send is on Kafka and unfinished: looked up when no store knows the send.

The sender commits an offset only when everything before it is finished: sent, failed, parked, put off, or gone on to a
retry topic. So what was accepted and is in no store stands between the group's committed offset and the end of its
chatbot's partition. That part is read here. It needs no memory of our own, so it holds with several processes and after
a restart, and costs nothing until a caller asks.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from common.contracts import ids, topics
from common.contracts.phone_numbers.notations import canonical
from common.contracts.send_headers import MESSAGE_ID
from common.errors import Unavailable
from common.kafka.clients import make_group_reader
from common.kafka.records import EVENT_ID, read_headers
from common.kafka.settings import KafkaSettings
from common.kafka.wire.partitioner import partition_of

log = logging.getLogger(__name__)

SECONDS: Final = 2.0
"""How long one look takes at most."""

_FETCH_MS: Final = 200
_RECORDS: Final = 1_000
_POLL_SECONDS: Final = 0.02

_MOST_BEFORE: Final = 100

_LETTER: Final = re.compile("[A-Za-z]")
_NO_DIGIT: Final = re.compile("[^0-9]")


class _Named(msgspec.Struct, rename="camel"):
    """What a request says of its identity; all else is passed over."""

    chatbot_id: Any = None
    message_id: Any = None
    to: Any = None
    message: msgspec.Raw = msgspec.Raw(b"null")


class _Kind(msgspec.Struct):
    type: Any = None
    status: Any = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A send whose record is not finished. `since` is when the record was written; None: it may be there.

    That it may be there is said when more is unfinished than can be read in `SECONDS`. `before` are the journal ids of
    the latest messages to the same recipient that were asked for earlier; those may be finished already.
    """

    since: datetime | None
    before: tuple[str, ...] = ()


class UnfinishedSends:
    """Looks for one send at a time among what `group` has not finished of the sender's topics."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._make: Callable[[], AIOKafkaConsumer] = lambda: make_group_reader(settings, group)
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def find(self, chatbot_id: str, message_id: str) -> Unfinished | None:
        """The send, if its record is not finished; None: it is on Kafka nowhere, or a store knows it by now.

        Raises `Unavailable` when Kafka does not answer.
        """
        reading = False
        try:
            async with asyncio.timeout(SECONDS):
                async with self._turn:
                    consumer = await self._connected()
                    parts = await _unfinished_parts(consumer, chatbot_id)
                    reading = True
                    return await _read(consumer, parts, chatbot_id, message_id)
        except TimeoutError:
            if reading:
                return Unfinished(None)
            raise _away() from None
        except KafkaError as error:
            await self.close()
            log.warning("the backlog of sends cannot be read", extra={"error": repr(error)})
            raise Unavailable(
                "Kafka does not say what waits to be sent; try again", code="kafka_unavailable"
            ) from error

    async def close(self) -> None:
        """Close the connections; the next look opens new ones."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError):
                await consumer.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = self._make()
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            _hold(consumer, _places(0))
            self._consumer = consumer
        return self._consumer


def _away() -> Unavailable:
    return Unavailable("Kafka does not say what waits to be sent; try again", code="kafka_unavailable")


@dataclass(frozen=True, slots=True)
class _Parts:
    """A chatbot's partitions, and of those that have something unfinished, from where to where to read."""

    places: Sequence[TopicPartition]
    spans: dict[TopicPartition, tuple[int, int]]


def _places(partition: int) -> list[TopicPartition]:
    return [TopicPartition(topic.name, partition) for topic in topics.SEND_FAMILY]


def _hold(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
    """Make the client know these partitions without fetching from them."""
    consumer.assign(places)
    consumer.pause(*places)


async def _unfinished_parts(consumer: AIOKafkaConsumer, chatbot_id: str) -> _Parts:
    while not (sends := consumer.partitions_for_topic(topics.SEND.name)):
        await asyncio.sleep(_POLL_SECONDS)  # it has just connected
    places = _places(partition_of(chatbot_id, len(sends)))
    ends, begins = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
    spans = {tp: (max(await consumer.committed(tp) or 0, begins[tp]), ends[tp]) for tp in places}
    return _Parts(places, {tp: span for tp, span in spans.items() if span[0] < span[1]})


async def _read(consumer: AIOKafkaConsumer, parts: _Parts, chatbot_id: str, message_id: str) -> Unfinished | None:
    spans = parts.spans
    _hold(consumer, parts.places)
    search = Search(chatbot_id, message_id)
    # What waits for a retry was asked for before what is still on the send topic.
    sends = {tp for tp in spans if tp.topic == topics.SEND.name}
    try:
        for left in (set(spans) - sends, sends):
            found = await _read_on(consumer, {tp: spans[tp] for tp in left}, search)
            if found is not None:
                return found
    finally:
        consumer.pause(*parts.places)
    return None


async def _read_on(
    consumer: AIOKafkaConsumer, spans: dict[TopicPartition, tuple[int, int]], search: "Search"
) -> Unfinished | None:
    for tp, (begin, _) in spans.items():
        consumer.seek(tp, begin)
        consumer.resume(tp)
    left = set(spans)
    while left:
        fetched = await consumer.getmany(*left, timeout_ms=_FETCH_MS, max_records=_RECORDS)
        for tp, records in fetched.items():
            found = search.among([record for record in records if record.offset < spans[tp][1]])
            if found is not None:
                return found
        left = {tp for tp in left if await consumer.position(tp) < spans[tp][1]}
    return None


class Search:
    """Looks for one send in records as they come, and remembers who had messages before it. No IO."""

    def __init__(self, chatbot_id: str, message_id: str) -> None:
        self._chatbot_id = chatbot_id
        self._message_id = message_id
        self._journal_id = ids.journal_id(chatbot_id, message_id)
        self._before: dict[str, deque[str]] = {}

    def among(self, records: Sequence[Any]) -> Unfinished | None:
        """The send, if one of these records asks for it; None: none of them does."""
        for record in records:
            headers = read_headers(getattr(record, "headers", None) or ())
            named = _named(record.value or b"")
            message_id = named.message_id or headers.get(MESSAGE_ID)
            is_ours = named.chatbot_id == self._chatbot_id
            if headers.get(EVENT_ID) == self._journal_id or (is_ours and message_id == self._message_id):
                since = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                return Unfinished(since, self._earlier(named.to))
            if is_ours and isinstance(message_id, str) and isinstance(named.to, str) and not _is_read_mark(named):
                self._before.setdefault(_recipient(named.to), deque(maxlen=_MOST_BEFORE)).append(message_id)
        return None

    def _earlier(self, to: object) -> tuple[str, ...]:
        found = self._before.get(_recipient(to), ()) if isinstance(to, str) else ()
        return tuple(ids.journal_id(self._chatbot_id, message_id) for message_id in found)


def _recipient(to: str) -> str:
    """The same for most notations of a phone number."""
    return to if _LETTER.search(to) else canonical(_NO_DIGIT.sub("", to))


def _is_read_mark(named: _Named) -> bool:
    """Whether the request only marks a message as read, so that it is not a message."""
    try:
        kind = msgspec.json.decode(named.message, type=_Kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return "read" in (kind.type, kind.status)


def _named(value: bytes) -> _Named:
    try:
        return msgspec.json.decode(value, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Named()
