"""Which templates and kinds of message Meta refuses for a number now, and which send may try again. No IO.

The sends of a *subject* (a template, or a kind of message) that was refused wait: seconds that double with each refusal
in a row. Then the first of them is the probe, and the others follow a little later, when the probe's outcome is known.
This is only a memory: each waiting send has its own time in the store, so a new owner loses only one call.

Times are Unix seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from common.contracts.messages import MetaError
from sender.outcomes import Hold

_AFTER_PROBE_SECONDS: Final = 5.0
_PROBE_SECONDS: Final = 60.0
"""After this time a probe that has not ended did not reach Meta: another send may be the probe."""

_MANY: Final = 1_000
_MOST_DOUBLINGS: Final = 30


@dataclass(eq=False, slots=True)
class _Refused:
    until: float
    error: MetaError
    strikes: int = 0
    probe: str | None = None
    probed_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Waits:
    """A send of a refused subject has to wait until `due` (Unix seconds), because of `error`."""

    due: float
    error: MetaError


class RefusedSubjects:
    """The refused subjects of all numbers of a process, by chatbot.

    `on_taken` is called when sends may go again, with the chatbot, and the subject or None for all of them.
    """

    def __init__(self, on_taken: Callable[[str, str | None], None] = lambda _chatbot, _subject: None) -> None:
        self._on_taken = on_taken
        self._chatbots: dict[str, dict[str, _Refused]] = {}

    def __contains__(self, chatbot: str) -> bool:
        """Whether anything of this number is refused."""
        return chatbot in self._chatbots

    def wait(self, chatbot: str, subject: str, send: str, now: float) -> Waits | None:
        """How long a send has to wait; None when it may go, from now on as the probe of its subject."""
        refused = self._chatbots.get(chatbot, {}).get(subject)
        if refused is None:
            return None
        if now < refused.until:
            return Waits(refused.until + (0.0 if refused.probe == send else _AFTER_PROBE_SECONDS), refused.error)
        if refused.probe != send and now < refused.probed_at + _PROBE_SECONDS:
            return Waits(now + _AFTER_PROBE_SECONDS, refused.error)
        refused.probe, refused.probed_at = send, now
        return None

    def refuse(self, chatbot: str, subject: str, send: str, now: float, hold: Hold, error: MetaError) -> Waits:
        """Meta has refused a send of this subject; until when that send has to wait.

        Refusals of calls that were under way do not count as further ones. The send is the next probe.
        """
        subjects = self._chatbots.setdefault(chatbot, {})
        refused = subjects.get(subject)
        if refused is None:
            refused = subjects[subject] = _Refused(now, error)
        if now < refused.until:
            return Waits(refused.until + _AFTER_PROBE_SECONDS, error)
        refused.until = now + min(hold.cap, hold.base * 2**refused.strikes)
        refused.strikes = min(refused.strikes + 1, _MOST_DOUBLINGS)
        refused.error, refused.probe, refused.probed_at = error, send, float("-inf")
        while len(subjects) > _MANY:  # a number may try any number of names
            del subjects[next(iter(subjects))]
        return Waits(refused.until, error)

    def give_up(self, chatbot: str, subject: str, send: str) -> None:
        """The probe has ended without an answer about its subject: another send may be the probe."""
        refused = self._chatbots.get(chatbot, {}).get(subject)
        if refused is not None and refused.probe == send:
            refused.probed_at = float("-inf")

    def take(self, chatbot: str, subject: str) -> None:
        """Meta accepts the subject: all sends that waited for it may go."""
        subjects = self._chatbots.get(chatbot)
        if subjects is None or subjects.pop(subject, None) is None:
            return
        if not subjects:
            del self._chatbots[chatbot]
        self._on_taken(chatbot, subject)

    def release(self, chatbot: str) -> None:
        """The account has changed: all sends that waited may try again."""
        if self._chatbots.pop(chatbot, None) is not None:
            self._on_taken(chatbot, None)

    def count(self) -> int:
        """How many templates and kinds are refused, of all numbers."""
        return sum(map(len, self._chatbots.values()))
