"""Faults in the waits of a lone message: fetches that gather, and callers that nobody watches."""

from typing import Final

from mutants.fault import Fault

_PACE: Final = "libs/common/src/common/kafka/wire/fetch_pace.py"
_PACE_TESTS: Final = ("libs/common/tests/kafka/wire/test_fetch_pace.py",)

FAULTS: Final = (
    Fault(
        "common/fetch-always-gathers",
        _PACE,
        "if self._in_a_row >= _IN_A_ROW and self._is_soon(now):",
        "if self._is_soon(now):",
        _PACE_TESTS,
        "a lone message waits behind the one before it",
    ),
    Fault(
        "common/fetch-gathers-after-a-silence",
        _PACE,
        "if self._in_a_row >= _IN_A_ROW and self._is_soon(now):",
        "if self._in_a_row >= _IN_A_ROW:",
        _PACE_TESTS,
        "the first message after a silence waits",
    ),
    Fault(
        "common/fetch-counts-over-a-silence",
        _PACE,
        "self._in_a_row = self._in_a_row + 1 if self._is_soon(now) else 1",
        "self._in_a_row += 1",
        _PACE_TESTS,
        "a few messages in an hour count as load",
    ),
    Fault(
        "common/fetch-keeps-others-waiting",
        _PACE,
        "return Terms(IDLE_SECONDS if whole else self._gather.seconds, 1)",
        "return Terms(IDLE_SECONDS, 1)",
        _PACE_TESTS,
        "a partition whose records were not taken in time waits for a quarter of a second",
    ),
)
