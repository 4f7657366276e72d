"""Batches that aiokafka cannot read, without a broker: what comes of them and of their neighbours."""

import random

import pytest
from aiokafka import TopicPartition, codec
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.util import calc_crc32c

from common.kafka.wire import decompression
from common.kafka.wire.aiokafka_decoding_patch import ReadableRecords, patch_decoding
from common.kafka.wire.unreadable import Unreadable

TP = TopicPartition("t", 0)
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = [GZIP, SNAPPY, LZ4, ZSTD]
COMPRESS = {GZIP: codec.gzip_encode, SNAPPY: codec.snappy_encode, LZ4: codec.lz4_encode, ZSTD: codec.zstd_encode}
NAME, BAD_NAME = b"nam-e", b"ab\xff\xfe-"


@pytest.fixture(autouse=True)
def _ours():
    patch_decoding()
    ReadableRecords._suspects.clear()


def batch(base, count, *, pack=NONE, name=NAME, bad=(), spoil=None):
    """A batch of `count` records from offset `base`; those of `bad` have a header name that is no UTF-8."""
    builder = DefaultRecordBatchBuilder(2, NONE, 0, -1, -1, -1, 1 << 20)
    for nth in range(count):
        marked = (b"mark!" if nth in bad else name).decode()
        builder.append(nth, 1_700_000_000_000 + nth, b"k", b"v%d" % (base + nth), [(marked, b"h"), ("none", None)])
    plain = bytes(builder.build()).replace(b"mark!", BAD_NAME)
    head, body = bytearray(plain[:61]), plain[61:]
    if pack:
        body = COMPRESS[pack](body)
        head[22] |= pack
    return sealed(head, spoil(body) if spoil else body, base)


def sealed(head, body, base):
    """The batch with its offset, length and checksum, as a broker would write it down."""
    head[0:8] = base.to_bytes(8, "big")
    head[8:12] = (len(head) + len(body) - 12).to_bytes(4, "big")
    head[17:21] = calc_crc32c(bytes(head[21:]) + bytes(body)).to_bytes(4, "big")
    return bytes(head) + bytes(body)


class Place:
    """The assignment of one partition, and where the consumer stands in it."""

    active, paused = True, False

    def __init__(self, position):
        self.position = position

    def state_value(self, _tp):
        return self

    def consumed_to(self, position):
        self.position = position


def fetched(*batches, at=0):
    """What a consumer that stands at `at` is given of a fetch, and the position that it comes to."""
    assignment = Place(at)
    records = fetcher.PartitionRecords(
        TP,
        fetcher.MemoryRecords(b"".join(batches)),
        aborted_transactions=[],
        fetch_offset=at,
        key_deserializer=None,
        value_deserializer=None,
        check_crcs=True,
        isolation_level=fetcher.READ_COMMITTED,
    )
    result = fetcher.FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)
    found = []
    while result.has_more():
        found += result.getall(max_records=2)
    return found, assignment.position


def values(records):
    return [None if isinstance(record, Unreadable) else record.value for record in records]


@pytest.mark.parametrize("pack", CODECS)
def test_a_compressed_batch_is_read(pack):
    found, position = fetched(batch(0, 3, pack=pack), batch(3, 1))
    assert values(found) == [b"v0", b"v1", b"v2", b"v3"]
    assert position == 4


@pytest.mark.parametrize("pack", [NONE, *CODECS])
@pytest.mark.parametrize("bad", [{0}, {1}, {2}, {0, 1, 2}])
def test_a_header_name_that_is_no_utf_8_is_read_with_replacements(pack, bad):
    found, position = fetched(batch(0, 2), batch(2, 3, pack=pack, bad=bad), batch(5, 1))
    assert values(found) == [b"v%d" % n for n in range(6)]
    assert [record.offset for record in found] == list(range(6))
    assert position == 6
    for nth, record in enumerate(found[2:5]):
        name = "ab��-" if nth in bad else NAME.decode()
        assert record.headers == ((name, b"h"), ("none", None))
        assert (record.key, record.timestamp) == (b"k", 1_700_000_000_000 + nth)


def test_a_batch_that_is_entered_in_its_middle_is_read_from_there():
    found, position = fetched(batch(0, 4, bad={1, 3}), at=2)
    assert [record.offset for record in found] == [2, 3]
    assert position == 4


SPOILED = {
    "cut": lambda body: body[: len(body) // 2],
    "noise": lambda body: random.Random(1).randbytes(len(body)),
    "empty": lambda _body: b"",
}


@pytest.mark.parametrize("pack", [NONE, *CODECS])
@pytest.mark.parametrize("how", SPOILED)
def test_what_cannot_be_read_stands_as_one_record_and_its_neighbours_are_read(pack, how):
    bad = batch(2, 3, pack=pack, spoil=SPOILED[how])
    found, position = fetched(batch(0, 2), bad, batch(5, 2))
    assert position == 7
    (lost,) = [record for record in found if isinstance(record, Unreadable)]
    whole = [b"v%d" % offset for offset in range(lost.first)]
    assert values(found) == [*whole, None, b"v5", b"v6"]
    assert (lost.value, lost.key, lost.headers) == (bad, None, ())
    assert (lost.offset, lost.timestamp) == (4, 1_700_000_000_002)
    assert lost.reason.startswith(f"records {lost.first} to 4" if lost.first < 4 else "record 4")


@pytest.mark.parametrize("pack", [NONE, *CODECS])
def test_what_stands_behind_the_last_record_of_a_batch_takes_nothing_from_it(pack):
    found, position = fetched(batch(0, 3, pack=pack, spoil=lambda body: body + body), batch(3, 1))
    assert (values(found)[-1], position) == (b"v3", 4)
    assert values(found)[:3] == [b"v0", b"v1", b"v2"] or values(found)[:1] == [None]


@pytest.mark.parametrize("bad", [False, True])
def test_an_offset_behind_its_batch_does_not_pass_over_those_of_others(bad):
    plain = batch(0, 3, bad={0} if bad else ())
    head, body = bytearray(plain[:61]), bytearray(plain[61:])
    second = 1 + body[0] // 2  # the length of the first record is one byte, zigzag
    body[second + 3] = 100  # behind its length, attributes and time: the second record's place in the batch, zigzag
    found, position = fetched(sealed(head, body, 0), batch(3, 2))
    assert values(found) == [b"v0", None, b"v3", b"v4"]
    assert (found[1].first, found[1].offset, position) == (1, 2, 5)


def test_a_batch_without_a_whole_head_is_passed_over():
    stump = (0).to_bytes(8, "big") + (4).to_bytes(4, "big") + b"four"
    found, position = fetched(stump, batch(1, 2))
    assert (values(found), position) == ([None, b"v1", b"v2"], 3)


def test_a_batch_of_an_unknown_codec_is_passed_over():
    plain = batch(0, 2)
    head = bytearray(plain[:61])
    head[22] |= 5
    found, position = fetched(sealed(head, plain[61:], 0), batch(2, 1))
    assert (values(found), position) == ([None, b"v2"], 3)
    assert "codec" in found[0].reason


def test_a_checksum_that_does_not_fit_is_fetched_once_more_before_it_is_given_up():
    wrong = bytearray(batch(2, 2))
    wrong[-1] ^= 1
    found, position = fetched(batch(0, 2), bytes(wrong), batch(4, 1))
    assert (values(found), position) == ([b"v0", b"v1"], 2)
    assert values(fetched(batch(2, 2), batch(4, 1), at=2)[0]) == [b"v2", b"v3", b"v4"]
    found, position = fetched(bytes(wrong), batch(4, 1), at=2)
    assert (values(found), position) == ([None, b"v4"], 5)


@pytest.mark.parametrize("pack", CODECS)
def test_a_batch_may_be_large_and_not_too_large(pack, monkeypatch):
    monkeypatch.setattr(decompression, "MAX_UNPACKED_BYTES", 100_000)
    room = 100_000 - len(batch(0, 3)[61:])
    for more, whole in ((room, True), (room + 1, False)):
        packed = batch(0, 3, pack=pack, spoil=lambda _, more=more: COMPRESS[pack](batch(0, 3)[61:] + bytes(more)))
        found, position = fetched(packed, batch(3, 1))
        assert (values(found)[0], values(found)[-1], position) == (b"v0" if whole else None, b"v3", 4)


def varint(number):
    """Zigzag, as Kafka writes them."""
    left, found = number << 1 if number >= 0 else -2 * number - 1, bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*found, left])


def large(value, headers, *, pack):
    """A batch of one record from offset 0, with this value and so many headers that are empty."""
    record = bytes(3) + varint(-1) + varint(len(value)) + value + varint(headers) + (b"\0" + varint(-1)) * headers
    return batch(0, 1, pack=pack, spoil=lambda _: COMPRESS[pack](varint(len(record)) + record))


@pytest.mark.parametrize("pack", CODECS)
def test_a_record_that_would_take_too_much_memory_is_passed_over(pack):
    most, headers = decompression.MAX_RECORD_BYTES, decompression.MAX_HEADERS
    around = 3 + 1 + 4 + 1
    for whole, size, count in (
        (True, most - around, 0),
        (False, most - around + 1, 0),
        (True, 70_000, headers),
        (False, 70_000, headers + 1),
    ):
        found, position = fetched(large(bytes(size), count, pack=pack), batch(1, 2))
        assert (isinstance(found[0], Unreadable), values(found)[1:], position) == (not whole, [b"v1", b"v2"], 3)


def test_a_reader_gets_some_megabytes_at_once():
    """A fetch of a megabyte may unpack to gigabytes: the reader has dealt with some before it gets more."""
    at_once = []
    getall = fetcher.FetchResult.getall

    def counted(result, max_records):
        found = getall(result, 500)
        at_once.append(len(found))
        return found

    packed = [large(bytes(3_000_000), 0, pack=ZSTD)] * 3 + [large(bytes(70_000), 10_001, pack=ZSTD)] * 4
    batches = [number.to_bytes(8, "big") + one[8:] for number, one in enumerate(packed)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetcher.FetchResult, "getall", counted)
        found, position = fetched(*batches, batch(7, 2))
    assert (len(found), position) == (9, 9)
    assert at_once == [3, 2, 2, 2]


def test_no_batch_stops_a_partition():
    """Any damage that a checksum covers up: every fetch ends behind the last batch, and the last batch is read."""
    chance = random.Random(7)
    for _ in range(500):
        pack = chance.choice([NONE, *CODECS])
        body = bytearray(batch(0, 3, pack=pack)[61:])
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        head = bytearray(batch(0, 3, pack=pack)[:61])
        found, position = fetched(sealed(head, body, 0), batch(3, 2))
        assert position == 5
        assert values(found)[-2:] == [b"v3", b"v4"]


@pytest.mark.parametrize("pack", CODECS)
def test_a_record_that_is_too_large_is_unpacked_once(pack, monkeypatch):
    monkeypatch.setattr("common.kafka.wire.aiokafka_decoding_patch._Forgiving.__iter__", None)
    found, position = fetched(large(bytes(70_000), 10_001, pack=pack))
    assert "more than 10000 headers" in found[0].problem
    assert position == 1


def test_a_batch_is_read_twice_only_when_it_must_be(monkeypatch):
    def never(*_args):
        raise AssertionError

    monkeypatch.setattr(_DefaultRecordBatchPy, "__init__", never)
    assert values(fetched(batch(0, 3))[0]) == [b"v0", b"v1", b"v2"]
