"""Patch: aiokafka unpacks batches up to a size. A megabyte of zstd can become thirty gigabytes, of gzip one.

aiokafka unpacks a batch in one piece, however large it becomes. A producer's batch is about a megabyte before it is
compressed (`batch.size`, `message.max.bytes`), so an honest client does not write a batch that goes far beyond.

The same holds for one record, which is made in one piece too: as large as no topic of ours allows, or with millions of
headers, each of which takes two bytes there and 140 here.
"""

import contextlib
import gzip
import io
import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import cramjam
from aiokafka.codec import lz4_decode, snappy_decode, zstd_decode
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint_py as decode_varint  # the C one reads beyond the end

MAX_UNPACKED_BYTES: Final = 16 * 1024 * 1024
"""Of one batch."""

MAX_RECORD_BYTES: Final = 8 * 1024 * 1024
"""Of one record; the largest of a topic of ours has six."""

MAX_HEADERS: Final = 10_000
"""Of a record that is larger than `_LARGE_BYTES`. A smaller one cannot have many."""

_LARGE_BYTES: Final = 64 * 1024
_MORE: Final = 0x80  # this bit of a byte of a varint says that another byte follows

_MOST_TIMES: Final = 32 * 1_024  # how much larger a batch can become: four bytes of zstd unpack to 128 KiB
_USUAL_TIMES: Final = 16
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEAD_BYTES: Final = 16


class TooLargeToUnpack(CorruptRecordException):  # type: ignore[misc]  # aiokafka ships no type information
    """A batch, or a record in it, would take too much memory. To read it again would take the same time."""


def patch_decompression() -> None:
    """Patch aiokafka: a batch that would become too large raises `TooLargeToUnpack` in time."""
    for batch in (DefaultRecordBatch, _DefaultRecordBatchPy):
        module = sys.modules[batch.__module__]  # the C or the Python module: each has its own names of the decoders
        for name, decode in (("gzip", _gzip), ("snappy", _snappy), ("lz4", _lz4), ("zstd", _zstd)):
            setattr(module, f"{name}_decode", partial(_records, decode))


def _records(decode: Callable[[Any], bytes], data: Any) -> bytes:
    """The records of a batch. Raises `TooLargeToUnpack` when one of them would take too much memory."""
    unpacked = decode(data)
    if len(unpacked) > _LARGE_BYTES:
        with contextlib.suppress(IndexError):  # they end too early, which their reader finds
            _check_records(unpacked)
    return unpacked


def _check_records(data: bytes) -> None:
    at, end = 0, len(data)
    while 0 <= at < end:
        first = data[at]
        if first < _MORE:  # most records are short, and there may be millions
            at += 1 + (first >> 1)
            continue
        length, start = decode_varint(data, at)
        if length > MAX_RECORD_BYTES:
            raise TooLargeToUnpack(f"a record has more than {MAX_RECORD_BYTES} bytes")
        if length > _LARGE_BYTES and _headers_of(data, start) > MAX_HEADERS:
            raise TooLargeToUnpack(f"a record has more than {MAX_HEADERS} headers")
        if length < 0:
            return
        at = start + length


def _headers_of(data: bytes, start: int) -> int:
    """How many headers the record has that starts here, behind its length."""
    at = start + 1  # its attributes
    for _ in ("time", "offset"):
        _, at = decode_varint(data, at)
    for _ in ("key", "value"):
        size, at = decode_varint(data, at)
        at += max(0, size)
    count, _ = decode_varint(data, at)
    return int(count)


def _gzip(data: Any) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        unpacked = packed.read(MAX_UNPACKED_BYTES + 1)
    _check(len(unpacked))
    return unpacked


def _lz4(data: bytes) -> bytes:
    return _within(data, cramjam.lz4.decompress_into, lz4_decode)


def _zstd(data: bytes) -> bytes:
    return _within(data, cramjam.zstd.decompress_into, zstd_decode)


def _snappy(data: bytes) -> bytes:
    unpacked = 0
    for block in _snappy_blocks(data):
        unpacked += cramjam.snappy.decompress_raw_len(block)
        _check(unpacked)
    whole: bytes = snappy_decode(data)
    return whole


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    """The blocks, each with its unpacked size in it. Many clients write blocks of 32 KiB, in the framing of xerial."""
    if not data.startswith(_XERIAL):
        yield data
        return
    at = _XERIAL_HEAD_BYTES
    while at < len(data):
        size = struct.unpack_from("!i", data, at)[0]
        if size <= 0:
            raise CorruptRecordException("a block of snappy without a length")
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _within(data: bytes, into: Callable[[bytes, bytearray], int], at_once: Callable[[bytes], bytes]) -> bytes:
    if len(data) * _MOST_TIMES <= MAX_UNPACKED_BYTES:
        return at_once(data)
    usual = min(len(data) * _USUAL_TIMES, MAX_UNPACKED_BYTES)
    try:
        return _unpacked(data, into, usual)
    except cramjam.DecompressionError:  # perhaps there was too little room
        if usual == MAX_UNPACKED_BYTES:
            raise
        return _unpacked(data, into, MAX_UNPACKED_BYTES)


def _unpacked(data: bytes, into: Callable[[bytes, bytearray], int], room: int) -> bytes:
    """Raises `DecompressionError`, also when it has no room."""
    buffer = bytearray(room)
    size = into(data, buffer)
    return bytes(memoryview(buffer)[:size])


def _check(size: int) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise TooLargeToUnpack(f"a batch unpacks to more than {MAX_UNPACKED_BYTES} bytes")
