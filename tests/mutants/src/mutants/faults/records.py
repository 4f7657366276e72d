"""Faults in what becomes of records that are odd: their batches, their headers, their size."""

from typing import Final

from mutants.fault import Fault

_DECODING: Final = "libs/common/src/common/kafka/wire/aiokafka_decoding_patch.py"
_HEADERS: Final = "services/sender/src/sender/records/headers.py"
_BATCH_TESTS: Final = ("libs/common/tests/kafka/wire/test_aiokafka_decoding_patch.py",)
_HEADER_TESTS: Final = ("services/sender/tests/records/test_hostile_records.py",)

FAULTS: Final = (
    Fault(
        "records/offset-behind-its-batch",
        _DECODING,
        "        if record.offset >= self._records.end:\n",
        "        if False:\n",
        _BATCH_TESTS,
        "a producer's forged offset makes a partition pass over the records of others",
    ),
    Fault(
        "records/unreadable-at-its-first-offset",
        _DECODING,
        "                first, self.next_fetch_offset = self.next_fetch_offset, end\n",
        "                first, self.next_fetch_offset = self.next_fetch_offset, self.next_fetch_offset + 1\n",
        _BATCH_TESTS,
        "the same batch is a dead letter again after each start",
    ),
    Fault(
        "records/checksum-is-final",
        _DECODING,
        "(self._tp, first) not in self._suspects",
        "False",
        _BATCH_TESTS,
        "a bit that changed on the way makes dead letters of good records",
    ),
    Fault(
        "records/header-names-not-counted",
        _HEADERS,
        "sizes = {name: len(name.encode()) + len(text.encode()) for",
        "sizes = {name: len(text.encode()) for",
        _HEADER_TESTS,
        "a header with a long name stops a partition when its record is moved",
    ),
)
