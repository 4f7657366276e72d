"""Faults in what ends a doubt, and in what finds our own message: whose silence it was, and whose the wamid is."""

from typing import Final

from mutants.fault import Fault

_SENDER: Final = "services/sender/src/sender"
_SENDER_TESTS: Final = "services/sender/tests"
_SILENCE: Final = f"{_SENDER}/delivery/doubt/silence.py"
_CLOCK: Final = f"{_SENDER}/delivery/doubt/clock.py"
_REFUSALS: Final = "services/ingress/src/ingress/reports/refusals.py"
_ABSORBING: Final = "services/conversation/src/conversation/batch/absorbing.py"
_NAMING: Final = "services/conversation/src/conversation/batch/naming.py"

_OF_SILENCE: Final = (f"{_SENDER_TESTS}/delivery/doubt/test_silence.py",)
_OF_CLOCK: Final = (f"{_SENDER_TESTS}/delivery/doubt/test_clock.py",)
_OF_REFUSALS: Final = ("services/ingress/tests/reports/test_refusals.py",)
_OF_ABSORBING: Final = ("services/conversation/tests/batch/test_absorbing.py",)
_OF_NAMING: Final = ("services/conversation/tests/batch/test_naming.py",)

FAULTS: Final = (
    Fault(
        "sender/silence-of-any-kind",
        f"{_SENDER}/delivery/core.py",
        "if (left := rules.in_doubt_seconds - silence) > 0:",
        "if (left := rules.in_doubt_seconds - silence) > rules.in_doubt_seconds:",
        (f"{_SENDER_TESTS}/delivery/test_core.py",),
        "an outage of ours that is longer than the window sends a message twice",
    ),
    Fault(
        "sender/silence-counts-right-after-an-outage",
        _SILENCE,
        "return end + min(max(end - start, MIN_HOLD), MAX_HOLD)",
        "return end",
        _OF_SILENCE,
        "a message is sent twice before Meta has brought the refused status again",
    ),
    Fault(
        "sender/silence-without-ingress",
        _SILENCE,
        "        if at < end:\n            yield at, end",
        "        if at < end < begin:\n            yield at, end",
        _OF_SILENCE,
        "time in which ingress is away counts as silence of Meta's",
    ),
    Fault(
        "sender/silence-beyond-the-slowest-report",
        _SILENCE,
        "return min([until, *told])",
        "return until",
        _OF_SILENCE,
        "what another replica has refused since its last report is not known yet, and counts as silence",
    ),
    Fault(
        "sender/clock-asks-one-group-only",
        _CLOCK,
        "for group, topic in self._stages:",
        "for group, topic in self._stages[1:]:",
        _OF_CLOCK,
        "while conversation is away a message is sent twice",
    ),
    Fault(
        "sender/clock-asks-all-the-time",
        _CLOCK,
        "        if not self._any_in_doubt.is_set():\n            await self._progress.close()\n",
        "        if not self._any_in_doubt.is_set() and False:\n            await self._progress.close()\n",
        _OF_CLOCK,
        "brokers are asked twice a second for nothing",
        hangs=True,
    ),
    Fault(
        "sender/doubt-begins-anew-with-each-owner",
        f"{_SENDER}/delivery/transitions.py",
        "doubted_at=_doubted_at(entry) or now",
        "doubted_at=now",
        (f"{_SENDER_TESTS}/journal/test_transition.py",),
        "owners that change keep a conversation waiting for ever",
    ),
    Fault(
        "ingress/refusals-are-forgotten-with-a-report",
        _REFUSALS,
        "        self._ended += [one for one in refusals if one.phone_number_id not in self.doubted]",
        "        return",
        _OF_REFUSALS,
        "what was refused while Kafka was away counts as silence of Meta's",
    ),
    Fault(
        "ingress/forgeries-stop-the-clock-of-all-numbers",
        _REFUSALS,
        "            if number in self.known:\n",
        "            if number:\n",
        _OF_REFUSALS,
        "a client with a wrong signature fills memory and reports",
    ),
    Fault(
        "conversation/stand-ins-stay",
        "services/conversation/src/conversation/batch/working_set.py",
        "        self.absorbed.append(stand_in)\n",
        "",
        ("services/conversation/tests/batch/test_absorbing.py", "services/conversation/tests/test_store.py"),
        "one message of ours is two in the store",
    ),
    Fault(
        "conversation/stand-ins-are-not-told-again",
        _ABSORBING,
        'if id(entry) in fresh else {**entry, "origin": origin}',
        "if id(entry) in fresh else entry",
        _OF_ABSORBING,
        "a producer never learns what became of its message",
    ),
    Fault(
        "conversation/stand-ins-count-twice",
        _ABSORBING,
        '        stand_in.conversation.root.count("outboundCount", -1)',
        "        pass",
        _OF_ABSORBING,
        "a conversation counts one message as two",
    ),
    Fault(
        "conversation/a-status-that-is-named-has-the-id-of-the-first",
        "services/conversation/src/conversation/batch/events.py",
        "        id=derive_id(messages.STATUS, message_id, key, *told),",
        "        id=derive_id(messages.STATUS, message_id, key),",
        _OF_NAMING,
        "a consumer that knows events by their ids drops the status that has its `messageId`",
    ),
    Fault(
        "conversation/every-result-names-again",
        _NAMING,
        'if named is None or named["by"] != origin:',
        "if named is None:",
        _OF_NAMING,
        "each further result of a send tells its early statuses once more",
    ),
    Fault(
        "conversation/a-batch-names-what-it-tells-itself",
        _NAMING,
        'if entry["origin"] not in batch and not',
        "if not",
        _OF_NAMING,
        "a status that is read together with its result is told twice by its name",
    ),
)
