"""Faults in who is the same person: recycled and changed numbers, notations, and what opens a window."""

from typing import Final

from mutants.fault import Fault

_CONVERSATION: Final = "services/conversation/src/conversation"
_COMMON: Final = "libs/common/src/common"
_PEOPLE: Final = f"{_CONVERSATION}/batch/people.py"
_TESTS: Final = "services/conversation/tests"
_OF_PEOPLE: Final = (f"{_TESTS}/batch/test_people.py",)
_OF_WINDOWS: Final = (f"{_TESTS}/batch/test_service_window.py",)

FAULTS: Final = (
    Fault(
        "identity/recycled-numbers-are-one-person",
        _PEOPLE,
        "        if not theirs or not theirs.isdisjoint(person) or _is_linked(conversation, named, person, mine):\n",
        "        if True:\n",
        _OF_PEOPLE,
        "the next owner of a number reads what the first has written",
    ),
    Fault(
        "identity/numbers-stay-with-their-first-owner",
        _PEOPLE,
        "(since is None or since <= named.at):",
        "since is None:",
        _OF_PEOPLE,
        "a reply by phone goes into the conversation of another person",
    ),
    Fault(
        "identity/late-webhooks-take-numbers-back",
        _PEOPLE,
        "(since is None or since <= named.at):",
        "True:",
        _OF_PEOPLE,
        "a repetition of Meta's takes a number from its owner",
    ),
    Fault(
        "identity/owners-share-a-conversation-id",
        _PEOPLE,
        'given = "conversation", chatbot or "", alias, now.isoformat()',
        'given = "conversation", chatbot or "", alias',
        _OF_PEOPLE,
        "the next owner of an erased person's number meets an id that is there, and the message is a dead letter",
    ),
    Fault(
        "identity/two-conversations-of-one-moment-share-an-id",
        _PEOPLE,
        "        if found not in working.conversations:\n",
        "        if True:\n",
        _OF_PEOPLE,
        "two who left one number in one batch have one conversation, and one of them is lost",
    ),
    Fault(
        "identity/new-numbers-await-no-person",
        _PEOPLE,
        "not held.isdisjoint(awaited))",
        "False)",
        _OF_PEOPLE,
        "a person who changed the number is another one from the first message on",
    ),
    Fault(
        "identity/one-notation-alone",
        f"{_COMMON}/contracts/contacts.py",
        "for number in notations(self.wa_id)])",
        "for number in (self.wa_id,)])",
        _OF_PEOPLE,
        "a person in Brazil has two conversations",
    ),
    Fault(
        "identity/landlines-are-mobile-numbers",
        f"{_COMMON}/contracts/phone_numbers/notations.py",
        "([016-9]\\d{7})",
        "(\\d{8})",
        ("libs/common/tests/contracts/phone_numbers/test_notations.py",),
        "two people in Brazil share a conversation",
    ),
    Fault(
        "identity/benin-has-two-plans",
        f"{_COMMON}/contracts/phone_numbers/notations.py",
        '("52", "54", "55", "225", "229")',
        '("52", "54", "55", "225")',
        ("libs/common/tests/contracts/phone_numbers/test_notations.py",),
        "a person in Benin has two conversations, and an answer to the eight digits that Meta gives is refused",
    ),
    Fault(
        "identity/operators-of-ivory-coast-are-mixed-up",
        f"{_COMMON}/contracts/phone_numbers/notations.py",
        "(?:05)?([04-9][4-6]",
        "(?:05)?([04-9][0-9]",
        ("libs/common/tests/contracts/phone_numbers/test_notations.py",),
        "two people in Ivory Coast share a conversation: an old number, and a new one of another operator",
    ),
    Fault(
        "identity/aliases-are-not-released",
        f"{_CONVERSATION}/store.py",
        "*map(_released, conversations), ",
        "",
        (f"{_TESTS}/test_store.py",),
        "people who exchange numbers meet the unique index, and their batch is tried without end",
    ),
    Fault(
        "identity/times-of-2009-are-believed",
        f"{_COMMON}/contracts/envelope.py",
        "return moment if received - REDELIVERY <= moment <= received + SKEW else received",
        "return moment",
        _OF_WINDOWS,
        "a message with a made up time gets no reply",
    ),
    Fault(
        "identity/deactivated-accounts-are-answered",
        f"{_CONVERSATION}/batch/inbound.py",
        '    if message.document.get("published", True):\n        result',
        "    if True:\n        result",
        (f"{_TESTS}/batch/test_core.py",),
        "a tenant who has left gets events, and an AI answers",
    ),
    Fault(
        "identity/calls-open-nothing",
        f"{_CONVERSATION}/batch/inbound.py",
        "            conversation.latest(LAST_CALL, call.at)\n",
        "",
        _OF_WINDOWS,
        "who has called is not called back in writing",
    ),
)
