"""Faults in what callers see of sends that wait, that fail, or that come twice."""

from typing import Final

from mutants.fault import Fault

_TESTS: Final = ("services/sender/tests/test_visible.py",)
_ADVICE_TESTS: Final = ("services/sender/tests/test_advice.py",)

FAULTS: Final = (
    Fault(
        "visible/one-look",
        "services/sender/src/sender/standing.py",
        "_LOOKS: Final = 3",
        "_LOOKS: Final = 1",
        _TESTS,
        "a send that moves on while it is looked for is said not to exist",
    ),
    Fault(
        "visible/any-chatbots-message",
        "libs/common/src/common/kafka/unfinished.py",
        "return named.chatbot_id == chatbot_id and ",
        "return ",
        _TESTS,
        "a tenant is told that its message waits when it is another tenant's",
    ),
    Fault(
        "visible/lines-without-end",
        "services/sender/src/sender/ended.py",
        "        if self.written[chatbot_id] >= MAX_OF_CHATBOT or self.written.total() >= MAX_IN_ALL:\n",
        "        if self.written.total() >= MAX_IN_ALL:\n",
        _TESTS,
        "one campaign that fails takes all lines of the log",
    ),
    Fault(
        "visible/repetition-is-a-duplicate",
        "services/sender/src/sender/content.py",
        'if name != "messageId"}',
        "}",
        _ADVICE_TESTS,
        "a request that is repeated as it was is told to be another one",
    ),
    Fault(
        "visible/driver-integers",
        "libs/common/src/common/mongo/client.py",
        "TypeRegistry([PlainReferences(), PlainIntegers()])",
        "TypeRegistry([PlainReferences()])",
        ("libs/common/tests/test_open_objects.py",),
        "a number of more than 32 bits in metadata makes a dead letter of each status",
    ),
)
