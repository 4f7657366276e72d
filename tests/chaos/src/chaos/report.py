"""A run as text and as JSON. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from chaos.evidence.lateness import DELAYS_MS, Late, summary
from chaos.evidence.verdict import Verdict
from chaos.evolving import Evolved
from chaos.merging.walk import Merged
from chaos.rolling import Rolled


@dataclass(frozen=True, slots=True)
class Run:
    """The content of a report; times in seconds, by name."""

    title: str
    faults: Mapping[str, int]
    struck: Mapping[str, int]
    doubts: Mapping[str, int]
    verdict: Verdict
    late: Sequence[Late]
    recoveries: Mapping[str, Sequence[float]]
    seconds: Mapping[str, float]
    rolled: Rolled | None = None
    attacks: Mapping[str, int] = field(default_factory=dict)
    merged: Merged | None = None


def as_text(run: Run) -> str:
    """The report as text. Its last line is the verdict."""
    verdict = run.verdict
    blocks = [
        [run.title],
        ["faults", *_rows(run.faults)],
        ["calls and webhooks that storms at Meta struck", *_rows(run.struck)],
        *([["attacks of a hostile tenant", *_rows(run.attacks)]] if run.attacks else []),
        *([["merge of two conversations", *_rows(_figures(run.merged))]] if run.merged else []),
        ["messages", f"  {'asked for':<34}{verdict.messages:>8}"],
        ["breaches", *_breaches(verdict)],
        ["sends that were in doubt, and how they ended", *_rows(run.doubts)],
        ["retries: how late, in ms (quiet: while nothing was being broken)", *_lateness(run.late)],
        ["seconds until what was hit was ready again", *_recoveries(run.recoveries)],
        *([["rolling update", *_rolled(run.rolled)]] if run.rolled else []),
        ["seconds", *(f"  {name:<34}{value:>8.0f}" for name, value in run.seconds.items())],
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n\n" + last_line(run)


def last_line(run: Run) -> str:
    """The verdict in one line."""
    verdict = run.verdict
    what = f"{sum(run.faults.values())} faults"
    if run.rolled is not None:
        killed = sum(not one.graceful for one in run.rolled.replaced)
        what = f"{len(run.rolled.replaced)} processes replaced, {killed} of them killed"
    return (
        f"chaos: {what}, {verdict.messages} messages, {verdict.lost} lost,"
        f" {verdict.doubled} doubled, {verdict.out_of_order} out of order, {verdict.unsettled} unsettled,"
        f" {f'{verdict.halted} halted' if verdict.halted else 'nothing halted'}"
    )


def as_json(run: Run) -> dict[str, Any]:
    """The report as JSON."""
    verdict = run.verdict
    return {
        "title": run.title,
        "ok": verdict.ok,
        "faults": dict(run.faults),
        "struck": dict(run.struck),
        "attacks": dict(run.attacks),
        "messages": verdict.messages,
        "breaches": {name: {"count": c.count, "samples": c.samples} for name, c in verdict.breaches.items()},
        "doubts": dict(run.doubts),
        "latenessMs": {name: vars_of(late) for name, late in _tiers(run.late)},
        "recoverySeconds": {name: list(values) for name, values in run.recoveries.items()},
        "seconds": dict(run.seconds),
        **({"rolled": asdict(run.rolled)} if run.rolled else {}),
        **({"merged": _figures(run.merged)} if run.merged else {}),
        "line": last_line(run),
    }


def vars_of(late: Sequence[Late]) -> dict[str, float]:
    """A summary as JSON."""
    found = summary(late)
    return {"count": found.count, "p50": found.p50, "p99": found.p99, "max": found.most}


def _rolled(rolled: Rolled) -> Iterable[str]:
    replaced = rolled.replaced
    yield f"  {'':<34}{'count':>8}{'p50':>8}{'max':>8}"
    for name, values in {
        "seconds until the new one was ready": [one.ready_seconds for one in replaced],
        "seconds until the old one had ended": [one.end_seconds for one in replaced],
    }.items():
        yield f"  {name:<34}{len(values):>8}{median(values):>8.1f}{max(values):>8.1f}"
    yield f"  {'webhooks meanwhile':<34}{rolled.posts:>8}"
    yield f"  {'of them to be delivered again':<34}{rolled.refused:>8}"
    if rolled.evolved is not None:
        yield from _evolved(rolled.evolved)
    yield f"  {'ms from a message to its reply':<34}{'count':>8}{'p50':>8}{'p99':>8}{'max':>8}"
    for name, waits in {"before": rolled.before, "from the update on": rolled.during}.items():
        if waits is not None:
            yield f"    {name:<32}{waits.count:>8}{waits.p50:>8.0f}{waits.p99:>8.0f}{waits.most:>8.0f}"


def _evolved(evolved: Evolved) -> Iterable[str]:
    yield f"  {'messages written in the early form':<34}{evolved.written:>8}"
    yield f"  {'left when old processes had ended':<34}{evolved.left:>8}"
    yield from (f"  {f'seconds of {name}':<34}{seconds:>8.1f}" for name, seconds in evolved.seconds.items())
    yield from (f"  {line}" for line in [*evolved.told, *(f"FAILED: {one}" for one in evolved.failures)])


def _figures(merged: Merged) -> dict[str, int]:
    return {
        "messages that moved": merged.messages,
        "seconds until all had moved": round(merged.seconds),
        "kills of conversation meanwhile": merged.kills,
        "walks through the thread": merged.walks,
        "messages that these walks saw": merged.walked,
    }


def _rows(counts: Mapping[str, int]) -> Iterable[str]:
    return [f"  {name:<34}{count:>8}" for name, count in sorted(counts.items())] or ["  none"]


def _breaches(verdict: Verdict) -> Iterable[str]:
    for name, count in verdict.breaches.items():
        yield f"  {name:<34}{count.count:>8}"
        yield from (f"      {sample}" for sample in count.samples)


def _tiers(late: Sequence[Late]) -> Iterable[tuple[str, Sequence[Late]]]:
    for delay in DELAYS_MS:
        of_tier = [each for each in late if each.delay_ms == delay]
        yield f"after {delay // 1000} s", of_tier
        yield f"after {delay // 1000} s, quiet", [each for each in of_tier if each.quiet]
    yield "all", late
    yield "all, quiet", [each for each in late if each.quiet]


def _lateness(late: Sequence[Late]) -> Iterable[str]:
    yield f"  {'':<34}{'count':>8}{'p50':>8}{'p99':>8}{'max':>8}"
    for name, tier in _tiers(late):
        found = summary(tier)
        yield f"  {name:<34}{found.count:>8}{found.p50:>8.0f}{found.p99:>8.0f}{found.most:>8.0f}"


def _recoveries(recoveries: Mapping[str, Sequence[float]]) -> Iterable[str]:
    yield f"  {'':<34}{'count':>8}{'p50':>8}{'max':>8}"
    for name, values in sorted(recoveries.items()):
        yield f"  {name:<34}{len(values):>8}{median(values):>8.1f}{max(values):>8.1f}"
