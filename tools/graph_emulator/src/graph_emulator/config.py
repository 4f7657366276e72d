"""The settings. They come from the command line and, while it runs, from the control API."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

from graph_emulator.misuse import Misuse

Json = dict[str, Any]

THROUGHPUT, PAIR, WINDOW = LIMITS = ("throughput", "pair", "window")
"""Names of Meta's limits: messages per second of a number, messages to one person, the customer service window."""

PAIR_READINGS = ("burst", "bucket")

_LEAST = {"webhook_concurrency": 1, "webhook_batch": 1}
SECRET_FIELDS = frozenset({"app_secret", "verify_token"})


@dataclass(slots=True)
class Config:
    """Settings of the app and of its webhooks; times in milliseconds."""

    webhook_url: str = ""
    """The app's default callback; empty: webhooks are not sent."""
    app_secret: str = ""
    """Key of X-Hub-Signature-256."""
    verify_token: str = ""
    """hub.verify_token of the check that `/_control/verify` makes."""
    app_id: str = "100000000000001"
    public_url: str = ""
    """Base of media URLs; empty: the address the emulator listens on."""
    sent_after_ms: int = 10
    delivered_after_ms: int = 80
    """Counted from `sent`."""
    read_after_ms: int = 150
    """Counted from `delivered`."""
    webhook_timeout_ms: int = 10_000
    webhook_concurrency: int = 32
    """POSTs in flight per callback URL."""
    webhook_batch: int = 1
    """Most updates in one POST when more of them wait (Meta: up to 1,000)."""
    ordered: bool = True
    """Keep the updates of one conversation, and of one message's statuses, in order. Meta promises no order."""
    retry_delays_ms: tuple[int, ...] = (0, 500, 1_000, 2_000, 4_000, 8_000)
    """Waits before each repeat of a refused webhook; the last one repeats until the span ends."""
    retry_span_ms: int = 7 * 86_400_000
    omit_callback_data: bool = False
    """Leave `biz_opaque_callback_data` out of statuses, as Meta may."""
    message_status: str = "accepted"
    """`message_status` in the answer to a template: accepted, held_for_quality_assessment or paused."""
    media_url_ms: int = 300_000
    media_upload_ms: int = 30 * 86_400_000
    media_inbound_ms: int = 7 * 86_400_000
    signup_code_ms: int = 30_000
    limits: frozenset[str] = frozenset()
    """Which of LIMITS refuse messages."""
    pair_reading: str = PAIR_READINGS[0]
    """How the limit per person is counted: one of PAIR_READINGS, by the rules of `limits/pair.py`."""

    def public(self) -> Json:
        """All settings except secrets, in camelCase."""
        shown = {camel(key): value for key, value in asdict(self).items() if key not in SECRET_FIELDS}
        return shown | {"limits": sorted(self.limits)}

    def change(self, changes: Mapping[str, Any]) -> None:
        """Apply camelCase `changes`; Raises Misuse for a wrong name or value, and then changes nothing."""
        names = {camel(field.name): field.name for field in fields(self)}
        accepted: Json = {}
        for key, value in changes.items():
            if key not in names:
                raise Misuse(f"unknown setting {key!r}; known: {', '.join(sorted(names))}")
            accepted[names[key]] = _typed(names[key], value)
        for name, value in accepted.items():
            setattr(self, name, value)


def limits_in(given: Any) -> frozenset[str]:
    """The limits in a list of names or in a text of them with commas; `all` and `none` stand for themselves."""
    if given in ("all", "none"):
        return frozenset(LIMITS if given == "all" else ())
    words = given.split(",") if isinstance(given, str) else given
    if not isinstance(words, list) or any(word not in LIMITS for word in words):
        raise Misuse(f"limits must be all, none, or some of {', '.join(LIMITS)}")
    return frozenset(words)


def camel(name: str) -> str:
    """snake_case to camelCase."""
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def _typed(name: str, value: Any) -> Any:
    expected = _TYPES[name]
    if name == "limits":
        return limits_in(value)
    if name == "pair_reading" and value not in PAIR_READINGS:
        raise Misuse(f"pairReading must be one of {', '.join(PAIR_READINGS)}")
    if name == "retry_delays_ms":
        if not isinstance(value, list | tuple) or not value or not all(_natural(item) for item in value):
            raise Misuse("retryDelaysMs must be a non-empty list of milliseconds")
        return tuple(value)
    if expected is int and (not _natural(value) or value < _LEAST.get(name, 0)):
        raise Misuse(f"{camel(name)} must be a whole number, {_LEAST.get(name, 0)} or more")
    if expected is not int and not isinstance(value, expected):
        raise Misuse(f"{camel(name)} must be of type {expected.__name__}")
    return value


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_TYPES: dict[str, Any] = get_type_hints(Config)
