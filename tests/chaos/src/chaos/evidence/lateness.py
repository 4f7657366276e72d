"""How late retries were, from the emulator's list of calls. Pure; times in ms."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

DELAYS_MS: Final = (2_000, 4_000, 8_000)
_EARLY_MS: Final = 50
_RETRYABLE: Final = frozenset({1, 2, 131000, 131016, 133004})


@dataclass(frozen=True, slots=True)
class Late:
    """One retry: after which delay it was due, how late it was, and whether nothing was being broken meanwhile."""

    delay_ms: int
    late_ms: float
    quiet: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """Lateness of some retries, in ms."""

    count: int
    p50: float
    p99: float
    most: float


def lateness(calls: Sequence[Mapping[str, Any]], disturbed: Sequence[tuple[float, float]]) -> list[Late]:
    """Every retry among the calls: the nth after the nth failure that counts, as long as nothing else happened to the
    send: a throttled call or one without an answer waits by other rules, and so does one that an open breaker gave back,
    which is seen by its coming too early."""
    by_send: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for call in calls:
        if call.get("callbackData"):
            by_send[call["callbackData"].partition(";")[0]].append(call)
    found = []
    for tries in by_send.values():
        tries.sort(key=lambda call: call["atMs"])
        for number, (failed, again) in enumerate(pairwise(tries)):
            if number >= len(DELAYS_MS) or failed.get("code") not in _RETRYABLE or failed.get("wamid"):
                break
            start = again["atMs"] - again["tookMs"]
            late_ms = start - failed["atMs"] - DELAYS_MS[number]
            if late_ms < -_EARLY_MS:
                break
            quiet = not any(since < start and until > failed["atMs"] for since, until in disturbed)
            found.append(Late(DELAYS_MS[number], late_ms, quiet))
    return found


def summary(late: Sequence[Late]) -> Summary:
    """p50, p99 and the largest."""
    values = sorted(each.late_ms for each in late)
    if not values:
        return Summary(0, 0.0, 0.0, 0.0)
    return Summary(len(values), _at(values, 0.5), _at(values, 0.99), values[-1])


def _at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]
