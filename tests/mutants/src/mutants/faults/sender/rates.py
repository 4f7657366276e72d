"""Faults in the rates of numbers: what a call counts for, and what is known of the way to Meta."""

from typing import Final

from mutants.fault import Fault

_RATES: Final = "services/sender/src/sender/limits/rates.py"
_NUMBERS: Final = "services/sender/src/sender/limits/numbers.py"
_STEPS: Final = "services/sender/src/sender/delivery/attempt.py"
_TESTS: Final = ("services/sender/tests/limits/test_rates.py",)
_TESTS_OF_STEPS: Final = ("services/sender/tests/delivery/test_attempt.py",)
_TESTS_OF_NUMBERS: Final = ("services/sender/tests/limits/test_numbers.py",)

FAULTS: Final = (
    Fault(
        "sender/rates-latest-call-for-the-shortest",
        _RATES,
        "        self._shortest = min(self._shortest, seconds)\n",
        "        self._shortest = seconds\n",
        _TESTS,
        "a number whose calls were slow for a while exceeds Meta's limit when they are quick again",
    ),
    Fault(
        "sender/rates-one-call-is-enough",
        _RATES,
        "        if self._calls >= ENOUGH_CALLS:\n",
        "        if self._calls >= 1:\n",
        _TESTS,
        "after a start with slow connections a number exceeds Meta's limit",
    ),
    Fault(
        "sender/rates-credit-for-refused-calls",
        _RATES,
        "        if accepted:\n            self.shortest_call",
        "        if True:\n            self.shortest_call",
        _TESTS,
        "a quick error is taken for the time of every call, so all numbers send more slowly",
    ),
    Fault(
        "sender/rates-every-answer-is-accepted",
        _STEPS,
        " = isinstance(end, Answered) and end.status == HTTPStatus.OK\n",
        " = True\n",
        _TESTS_OF_STEPS,
        "a connection that is refused at once is taken for the shortest call",
    ),
    Fault(
        "sender/rates-each-number-for-itself",
        _NUMBERS,
        "NumberRate(self.rate, shortest_call=self._shortest_call)",
        "NumberRate(self.rate)",
        _TESTS_OF_NUMBERS,
        "a number learns the way to Meta by itself, from its first slow calls",
    ),
)
