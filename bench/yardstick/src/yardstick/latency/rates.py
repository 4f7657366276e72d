"""Measures the latency of a chain of services, at rates up to the highest that it can keep up with."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any, Final

from yardstick.latency.chains import GRACE_SECONDS, Chain, Run, sends, webhooks
from yardstick.rig.measurements import percentile
from yardstick.rig.rig import Rig, Say

_SHARES: Final = (0.25, 0.5, 0.75, 0.9)
_FIRST: Final = 250.0
_MOST: Final = 32_000.0
_PRECISION: Final = 0.1
_PROBE_SECONDS: Final = 4.0
_ENOUGH: Final = 0.95
_TRIES: Final = 2  # because other work on the machine may disturb one


@dataclass(frozen=True, slots=True)
class Point:
    """A chain at one rate (offered, and achieved `per_second`): end to end in ms, HTTP answers in ms where there are.

    `shares` are of a core, by process; `load` is everything that measures.
    """

    rate: float
    per_second: float
    p50: float
    p99: float
    p999: float
    answer_p50: float | None
    answer_p99: float | None
    shares: dict[str, float]

    def told(self) -> str:
        """The point as a line."""
        answers = "" if self.answer_p50 is None else f"  answers {self.answer_p50:.1f}, {self.answer_p99:.1f} ms"
        shares = ", ".join(f"{name} {share:.2f}" for name, share in sorted(self.shares.items()))
        late = f"{self.p50:>8,.1f}, {self.p99:>8,.1f}, {self.p999:>8,.1f} ms"
        return f"{self.rate:>7,.0f}/s  {self.per_second:>7,.0f}/s  {late}{answers}  {shares}"


def point_of(run: Run) -> Point:
    """A missing message counts with its delay so far; a missing answer counts with the length of the run."""
    late = [*run.late_ms, *[GRACE_SECONDS * 1000] * run.missing]
    p50, p99, p999 = (percentile(late, share) for share in (0.5, 0.99, 0.999))
    answers = (_answer(run, "p50", 0.5), _answer(run, "p99", 0.99))
    return Point(run.offer.rate, run.per_second, p50, p99, p999, *answers, run.shares)


def _answer(run: Run, name: str, share: float) -> float | None:
    if not run.answers:
        return None
    enough = run.answers["perSecond"] >= share * run.offer.rate
    return float(run.answers[name]) if enough else run.offer.seconds * 1000


def meets_meta(point: Point) -> bool:
    """Meta's rule for webhooks: half of the answers within 250 ms, 99 % within 1 s."""
    if point.answer_p50 is None or point.answer_p99 is None:
        return False
    return point.answer_p50 <= 250 and point.answer_p99 <= 1_000


def keeps_up(point: Point) -> bool:
    """Whether 99 % came out within 1 s, and as many as went in: a short run hides a backlog that grows slowly."""
    return point.p99 < GRACE_SECONDS * 1000 and point.per_second >= _ENOUGH * point.rate


async def highest(holds: Callable[[float], Awaitable[bool]], first: float = _FIRST) -> float:
    """The highest rate that holds, to a tenth: by doubling, then by bisecting; 0 when none does."""
    good, bad = 0.0, first
    while bad <= _MOST and await holds(bad):
        good, bad = bad, bad * 2
    if bad > _MOST:
        return good
    while bad - good > _PRECISION * bad and bad >= 1:
        middle = (good + bad) / 2
        good, bad = (middle, bad) if await holds(middle) else (good, middle)
    return good


async def saturation(chain: Chain, say: Say) -> float:
    """The highest rate at which what comes out keeps up with what goes in."""
    return await _highest(chain, keeps_up, say, _FIRST)


async def _highest(chain: Chain, rule: Callable[[Point], bool], say: Say, first: float) -> float:
    async def holds(rate: float) -> bool:
        for _ in range(_TRIES):
            point = point_of(await chain.run(rate, _PROBE_SECONDS))
            say(f"{rule.__name__:<10} {'yes' if rule(point) else 'no':<4}{point.told()}")
            if rule(point):
                return True
        return False

    return await highest(holds, first)


async def webhook_latency(rig: Rig, rates: Sequence[float], seconds: float) -> list[Point]:
    """From the due time of a webhook to its event."""
    async with webhooks(rig) as chain:
        return [point_of(await chain.run(rate, seconds)) for rate in rates]


async def send_latency(rig: Rig, rates: Sequence[float], seconds: float) -> list[Point]:
    """From the due time of a send request to the call to Meta."""
    async with sends(rig) as chain:
        return [point_of(await chain.run(rate, seconds)) for rate in rates]


async def latency(rig: Rig, seconds: float, say: Say) -> dict[str, Any]:
    """Both chains as JSON: saturation, points below it, and where webhooks keep Meta's rule."""
    return {
        "webhook to event": await _measured(webhooks(rig), seconds, say, meets_meta),
        "send to Graph call": await _measured(sends(rig), seconds, say),
    }


async def _measured(
    chain: AbstractAsyncContextManager[Chain],
    seconds: float,
    say: Say,
    rule: Callable[[Point], bool] | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"points": []}
    async with chain as running:
        most = found["saturation"] = await saturation(running, say)
        for share in _SHARES if most else ():
            point = point_of(await running.run(share * most, seconds))
            say(f"{share:<15.0%}{point.told()}")
            found["points"].append(asdict(point))
        if rule is not None:
            found["meta_rate"] = await _highest(running, rule, say, most or _FIRST)
    return found
