"""Letters as lines for a terminal. Pure. Only `body_of` shows a person's words or number."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from common.contracts.dlq_audit import LetterReplayed
from wa.dlq.letters import Letter
from wa.dlq.plan import Audit, Plan, replay_of

_WIDTH: Final = 64
_SHOWN: Final = 20


def line(letter: Letter, audit: Audit) -> str:
    """One letter on one line."""
    columns = (
        str(letter.position),
        instant(letter.at),
        clean(letter.reason),
        f"code {clean(letter.code)}",
        f"attempts {clean(letter.attempts)}",
        clean(letter.chatbot_id),
        clean(letter.message_id),
        replayed(replay_of(letter, audit)),
    )
    return "  ".join(columns)


def facts(letter: Letter, audit: Audit) -> dict[str, Any]:
    """The same as JSON."""
    before = replay_of(letter, audit)
    return {
        "position": str(letter.position),
        "at": instant(letter.at),
        "reason": letter.reason,
        "code": letter.code,
        "attempts": letter.attempts,
        "chatbotId": letter.chatbot_id,
        "messageId": letter.message_id,
        "replays": letter.replays,
        "replayed": {"at": instant(before.at), "by": before.by, "because": before.because} if before else None,
    }


def summary(letters: Iterable[Letter]) -> list[str]:
    """The number of letters for each reason, the most frequent first."""
    counts = Counter(clean(letter.reason) for letter in letters)
    return [f"{count:8,}  {reason}" for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def details(letter: Letter, audit: Audit) -> list[str]:
    """Everything about one letter except what may name people: its key, its body, and the headers that quote them."""
    headers = {name: value for name, value in letter.headers.items() if name not in letter.quoting}
    width = max(map(len, headers), default=0)
    return [
        str(letter.position),
        f"{instant(letter.at)}, {len(letter.value):,} bytes, {replayed(replay_of(letter, audit))}",
        *(f"  {clean(name):{width}}  {clean(headers[name], len(headers[name]))}" for name in sorted(headers)),
    ]


def body_of(letter: Letter) -> str:
    """The key, the quoting headers and the body, which may have people's words. JSON is indented."""
    text = letter.value.decode("utf-8", "replace")
    if letter.body is not None:
        text = msgspec.json.format(letter.value, indent=2).decode()
    lines = (clean(part, len(part)) if part else "" for part in text.split("\n"))
    quoting = [
        f"{name}: {clean(value, len(value))}" for name, value in letter.headers.items() if name in letter.quoting
    ]
    return "\n".join((f"key: {clean(letter.key, len(letter.key))}", *quoting, *lines))


def plan_lines(plan: Plan) -> list[str]:
    """What a replay would do."""
    return [*left_out(plan), f"{len(plan.ready):,} letters to replay", *summary(plan.ready)]


def left_out(plan: Plan) -> list[str]:
    """Which letters are not replayed, and why."""
    done = [f"{letter.position} already {replayed(entry)}" for letter, entry in plan.done]
    refused = [f"{letter.position} refused: {why}" for letter, why in plan.refused]
    return [*_some(done), *_some(refused)]


def replayed(entry: LetterReplayed | None) -> str:
    """Whether, when and by whom a letter was replayed."""
    return f"replayed at {instant(entry.at)} by {clean(entry.by)}" if entry else "not replayed"


def instant(at: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def clean(text: str | None, width: int = _WIDTH) -> str:
    """A text of unknown origin without characters that control a terminal; `-` for an empty one."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:width]) or "-"


def _some(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"… and {rest:,} more like these"] if rest > 0 else [])]
