"""Faults in what callers see of sends that wait, that fail, or that come twice."""

from typing import Final

from mutants.fault import Fault

_QUEUED_EVENTS: Final = "services/sender/src/sender/worker/queued_events.py"
_TESTS: Final = ("services/sender/tests/delivery/test_end_log.py",)
_ADVICE_TESTS: Final = ("services/sender/tests/api/test_warnings.py",)
_LATER_TESTS: Final = ("services/sender/tests/test_later.py",)
_TESTS_OF_SESSIONS: Final = ("services/sender/tests/worker/test_session.py",)
_MOVES: Final = "services/sender/src/sender/delivery/transitions.py"

FAULTS: Final = (
    Fault(
        "visible/one-look",
        "services/sender/src/sender/journal/standing.py",
        "_LOOKS: Final = 3",
        "_LOOKS: Final = 1",
        _TESTS,
        "a send that moves on while it is looked for is said not to exist",
    ),
    Fault(
        "visible/any-chatbots-message",
        "libs/common/src/common/kafka/consume/unfinished.py",
        "is_ours = named.chatbot_id == self._chatbot_id",
        "is_ours = True",
        _TESTS,
        "a tenant is told that its message waits when it is another tenant's",
    ),
    Fault(
        "visible/lines-without-end",
        "services/sender/src/sender/delivery/end_log.py",
        "        if self.written[chatbot_id] >= MAX_OF_CHATBOT or self.written.total() >= MAX_IN_ALL:\n",
        "        if self.written.total() >= MAX_IN_ALL:\n",
        _TESTS,
        "one campaign that fails takes all lines of the log",
    ),
    Fault(
        "visible/repetition-is-a-duplicate",
        "services/sender/src/sender/journal/content.py",
        'if name != "messageId"}',
        "}",
        _ADVICE_TESTS,
        "a request that is repeated as it was is told to be another one",
    ),
    Fault(
        "visible/cancelled-is-not-told",
        "services/sender/src/sender/api/warnings.py",
        "(CANCELLED, entry is not None and entry.state is State.CANCELLED)",
        "(CANCELLED, False)",
        _ADVICE_TESTS,
        "a caller believes that a message will be sent whose id was cancelled",
    ),
    Fault(
        "visible/own-entry-is-a-repetition",
        "services/sender/src/sender/api/warnings.py",
        " and entry.created_at < now)",
        ")",
        _ADVICE_TESTS,
        "a new message is said to have been enqueued before, when the sender was quick",
    ),
    Fault(
        "visible/failure-of-another-call",
        _MOVES,
        "entry.state is not State.ACCEPTED or entry.wamid != wamid or",
        "entry.state is not State.ACCEPTED or",
        _LATER_TESTS,
        "a send is said to have failed when only an earlier copy of it has",
    ),
    Fault(
        "visible/failure-written-again",
        _MOVES,
        " or entry.failure is not None:\n",
        ":\n",
        _LATER_TESTS,
        "each report of a failure is a write, and the last one hides the first",
        hangs=True,
    ),
    Fault(
        "visible/failure-beside-a-delivery",
        "services/sender/src/sender/delivery/doubt/reconcile.py",
        "status.status == _FAILED and status.delivery_status == _FAILED",
        "status.status == _FAILED",
        _LATER_TESTS,
        "a message that was delivered to one device is said to have failed",
    ),
    Fault(
        "visible/held-number-is-not-named",
        _QUEUED_EVENTS,
        "self._lanes.holds.wait_of(item.tenant, now) or self._outage(now)",
        "self._outage(now)",
        _TESTS_OF_SESSIONS,
        "who waits behind a refused token is told to wait for others",
    ),
    Fault(
        "visible/told-without-end",
        _QUEUED_EVENTS,
        "        if item.told == reason:\n            return ()\n",
        "",
        _TESTS_OF_SESSIONS,
        "in an outage each waiting send is told several times a second",
    ),
    Fault(
        "visible/driver-integers",
        "libs/common/src/common/mongo/client.py",
        "TypeRegistry([PlainReferences(), PlainIntegers()])",
        "TypeRegistry([PlainReferences()])",
        ("libs/common/tests/contracts/test_open_objects.py",),
        "a number of more than 32 bits in metadata makes a dead letter of each status",
    ),
)
