"""Patch: aiokafka passes over what it cannot read, instead of raising at it for ever.

A broker looks at the frame of a batch and at the lengths within. It takes a header name that is not UTF-8, and it keeps
a batch of any codec. aiokafka 0.14 raises at the first thing that it cannot read, and raises again after each seek to
it: one record of one producer would stop everything behind it. The patch reads such a batch a second time:

- A header name that is not UTF-8 gets replacement characters, as with Kafka's Java client.
- What still cannot be read becomes one `Unreadable` record at the offset of the last record that it stands for. A
  reader that commits behind it has passed over all of it.
- A reader gets at most some megabytes at once: a megabyte from the broker may unpack to gigabytes, and as long as it is
  unpacked nothing else runs, heartbeats neither.
- A wrong checksum may come from the way to us: the batch is fetched once more before it is given up.
"""

import logging
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint_py as decode_varint  # the C one reads beyond the end

from common.kafka.wire.decompression import TooLargeToUnpack, patch_decompression
from common.kafka.wire.unreadable import Unreadable

log = logging.getLogger(__name__)

_MAX_SUSPECTS: Final = 1_000
_MAX_PROBLEM: Final = 300
_MOST_BYTES: Final = 8 * 1024 * 1024  # of the records that a reader gets at once from one partition
_HEADER_BYTES: Final = 140  # around a header in memory
_UNREADABLE_BYTES: Final = 4 * 1024 * 1024  # it was perhaps unpacked before it was given up
_V2: Final = 2
_MAGIC_AT: Final = 16  # bytes from the start of a batch, in every version of the format


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]  # `final` for type checkers only
    """The batches of one fetch. `raw` are the bytes of the last that was handed over, `end` is the offset behind it."""

    raw = b""
    end = 0

    def next_batch(self) -> Any:
        self.raw = self._next_slice
        if len(self.raw) < self.MIN_SLICE:
            self._cache_next()  # aiokafka would stay at it
            raise CorruptRecordException("a batch without a whole head")
        batch = super().next_batch()
        self.end = batch.next_offset
        return batch


class _Forgiving(_DefaultRecordBatchPy):  # type: ignore[misc]  # as above
    """A batch whose header names may be any bytes, and whose records may have any attributes (none is defined)."""

    _pos: int

    def _read_msg(self) -> _DefaultRecordPy:
        buffer = self._buffer
        length, start = decode_varint(buffer, self._pos)
        since, at = decode_varint(buffer, start + 1)  # behind the attributes, one byte
        nth, at = decode_varint(buffer, at)
        key, at = _bytes_at(buffer, at)
        value, at = _bytes_at(buffer, at)
        count, at = decode_varint(buffer, at)
        headers = []
        for _ in range(count):
            name, at = _bytes_at(buffer, at)
            text, at = _bytes_at(buffer, at)
            headers.append(((name or b"").decode("utf-8", "replace"), text))
        if at - start != length:
            raise CorruptRecordException("a record is not as long as it says")
        self._pos = at
        written = self.max_timestamp if self.timestamp_type == self.LOG_APPEND_TIME else self.first_timestamp + since
        return _DefaultRecordPy(self.base_offset + nth, written, self.timestamp_type, key, value, headers)


class ReadableRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka ships no type information
    """aiokafka's records of a fetch, without an end at what it cannot read."""

    next_fetch_offset: int
    _records_iterator: Any
    _suspects: Final[set[tuple[Any, int]]] = set()  # batches whose checksum did not fit, to be fetched again

    def __next__(self) -> ConsumerRecord[bytes, bytes]:
        try:
            record: ConsumerRecord[bytes, bytes] = next(self._records_iterator)
        except StopIteration:
            self._records_iterator = None
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it would be the same the next time
            self._records_iterator = self._around(bytes(self._records.raw), error)
            return next(self)
        return record

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        # The broker does not check it. A commit behind it would skip records of other producers.
        if record.offset >= self._records.end:
            raise CorruptRecordException("a record has an offset behind its batch")
        return super()._consumer_record(tp, record)

    def _around(self, raw: bytes, error: Exception) -> Iterator[ConsumerRecord[bytes, bytes]]:
        """The records of a batch that aiokafka gave up, as far as they can be read, and then the others."""
        first = max(self.next_fetch_offset, _number(raw, ">q", 0))
        if not _is_intact(raw) and (self._tp, first) not in self._suspects:
            if len(self._suspects) >= _MAX_SUSPECTS:
                self._suspects.clear()
            self._suspects.add((self._tp, first))
            log.warning("wrong checksum of a batch; fetching it again", extra=self._place(first))
            return iter(())
        self._suspects.discard((self._tp, first))
        return chain(self._read_again(raw, error), self._unpack_records())

    def _read_again(self, raw: bytes, error: Exception) -> Iterator[ConsumerRecord[bytes, bytes]]:
        end = _next_offset(raw)
        try:
            for record in _forgiving(raw, error):
                if record.offset >= self.next_fetch_offset:
                    found = self._consumer_record(self._tp, record)
                    self.next_fetch_offset = record.offset + 1
                    yield found
        except Exception as problem:  # noqa: BLE001  # decompressors have errors of their own
            if self.next_fetch_offset < end:  # else all of its records were read
                first, self.next_fetch_offset = self.next_fetch_offset, end
                yield self._unreadable(raw, first, problem)
        self.next_fetch_offset = max(end, self.next_fetch_offset)

    def _unreadable(self, raw: bytes, first: int, problem: Exception) -> Unreadable:
        last, said = self.next_fetch_offset - 1, f"{type(problem).__name__}: {problem}"[:_MAX_PROBLEM]
        about = {**self._place(first), "last": last, "error": said}
        log.error("records cannot be read and are skipped", extra=about)
        at = max(0, _number(raw, ">q", 35))  # the newest record's time, in ms
        return Unreadable(
            self._tp.topic, self._tp.partition, last, at, 0, None, raw, None, -1, len(raw), (), first, said
        )

    def _place(self, offset: int) -> dict[str, Any]:
        return {"topic": self._tp.topic, "partition": self._tp.partition, "offset": offset}


class BoundedResult(fetcher.FetchResult):  # type: ignore[misc]  # as above
    """aiokafka's fetch of one partition, of which a reader gets no more at once than fits well into memory."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[ConsumerRecord[bytes, bytes]]:
        """The next records, at most `max_records`; the last of them may go beyond the bytes."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        found: list[ConsumerRecord[bytes, bytes]] = []
        left = _MOST_BYTES
        for record in self._partition_records:
            found.append(record)
            left -= _bytes_of(record)
            if left <= 0 or len(found) == max_records:
                self._update_position()
                return found
        self._update_position()
        self._partition_records = None
        return found


def _bytes_of(record: ConsumerRecord[bytes, bytes]) -> int:
    """About what a record takes in memory."""
    if isinstance(record, Unreadable):
        return _UNREADABLE_BYTES
    sizes = max(0, record.serialized_key_size) + max(0, record.serialized_value_size)
    return int(sizes + _HEADER_BYTES * len(record.headers))


def patch_decoding() -> None:
    """Patch every consumer that is started from now on."""
    fetcher.FetchResult = BoundedResult
    fetcher.MemoryRecords = _Batches
    fetcher.PartitionRecords = ReadableRecords
    patch_decompression()


def _forgiving(raw: bytes, error: Exception) -> Iterator[Any]:
    """The batch's records again. Raises `error` when it is not of the format that we can read ourselves."""
    if isinstance(error, TooLargeToUnpack) or not _is_v2(raw) or not _is_intact(raw):
        raise error
    batch: Iterator[Any] = iter(_Forgiving(raw))
    return batch


def _bytes_at(buffer: bytearray, at: int) -> tuple[bytes | None, int]:
    """A string of bytes with its length before it, -1 for none (KIP-98), and where it ends."""
    length, at = decode_varint(buffer, at)
    return (None, at) if length < 0 else (bytes(buffer[at : at + length]), at + length)


def _is_v2(raw: bytes) -> bool:
    return len(raw) >= _Forgiving.HEADER_STRUCT.size and raw[_MAGIC_AT] >= _V2


def _is_intact(raw: bytes) -> bool:
    return not _is_v2(raw) or _Forgiving(raw).validate_crc()


def _next_offset(raw: bytes) -> int:
    """Behind the batch's last record."""
    return _Forgiving(raw).next_offset if _is_v2(raw) else _number(raw, ">q", 0) + 1


def _number(raw: bytes, form: str, at: int) -> int:
    number: int = struct.unpack_from(form, raw, at)[0] if len(raw) >= at + struct.calcsize(form) else 0
    return number
