"""Faults in whom a send names, in which lane it goes, and in what is known of a window."""

from typing import Final

from mutants.fault import Fault

_PHONES: Final = "libs/common/src/common/contracts/phone_numbers/parsing.py"
_ENDINGS: Final = "libs/common/src/common/contracts/phone_numbers/endings.py"
_PEOPLE: Final = "libs/common/src/common/contracts/contacts.py"
_JUNCTIONS: Final = "services/sender/src/sender/dispatch/aliases.py"
_PERSONS: Final = "services/sender/src/sender/limits/recipients.py"
_WINDOWS: Final = "services/sender/src/sender/limits/service_window.py"
_RECIPIENT_TESTS: Final = ("libs/common/tests/contracts/test_recipients.py",)
_PERSON_TESTS: Final = ("services/sender/tests/limits/test_recipients.py",)
_WINDOW_TESTS: Final = ("services/sender/tests/limits/test_service_window.py",)

FAULTS: Final = (
    Fault(
        "common/phones-with-what-is-left",
        _PHONES,
        "    if not _WRITTEN.fullmatch(written):\n",
        "    if False:\n",
        _RECIPIENT_TESTS,
        "an extension becomes the end of a stranger's number",
    ),
    Fault(
        "common/phones-without-country",
        _PHONES,
        '    if not digits or digits.startswith("0"):\n',
        "    if not digits:\n",
        _RECIPIENT_TESTS,
        "the error for a national number does not say that its country code is missing",
    ),
    Fault(
        "common/phones-with-the-code-twice",
        _PHONES,
        "    _check_code_once(number)\n",
        "",
        _RECIPIENT_TESTS,
        "a country code that was put before a whole number makes a stranger's landline of it",
    ),
    Fault(
        "common/phones-as-dialled-from-russia",
        _PHONES,
        "(digits.startswith(_DIALLED_FROM_RUSSIA) or _may_be_national(number))",
        "_may_be_national(number)",
        _RECIPIENT_TESTS,
        "810 before a country code makes a Japanese number",
    ),
    Fault(
        "common/requests-under-two-names",
        "libs/common/src/common/contracts/sends.py",
        'ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)',
        'ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)',
        ("services/sender/tests/records/test_parsing.py",),
        "`chatbot_id` is taken with a 200, and its record is a dead letter",
    ),
    Fault(
        "common/phones-only-valid",
        _PHONES,
        "    found = {number for number in numbers if _is_valid(number)} or numbers\n",
        "    found = {number for number in numbers if _is_valid(number)}\n",
        _RECIPIENT_TESTS,
        "a number of a range that the metadata does not know is refused",
    ),
    Fault(
        "common/phones-of-spreadsheets",
        _ENDINGS,
        "_DECIMALS.search(written) or ",
        "",
        _RECIPIENT_TESTS,
        "`.0` becomes the last digit of a stranger's number",
    ),
    Fault(
        "common/phones-with-appended-groups",
        _ENDINGS,
        "    if not whole:\n",
        "    if False:\n",
        _RECIPIENT_TESTS,
        "an extension behind a dash becomes the end of a stranger's number",
    ),
    Fault(
        "common/phones-in-pairs",
        _ENDINGS,
        "    if _IN_PAIRS.fullmatch(written):\n",
        "    if False:\n",
        _RECIPIENT_TESTS,
        "the usual notation of mobile numbers in Austria and Finland is refused",
    ),
    Fault(
        "common/phones-of-china-are-north-american",
        _PHONES,
        "_ONE_IN_FRONT: Final = (49, 86)",
        "_ONE_IN_FRONT: Final = ()",
        _RECIPIENT_TESTS,
        "a Chinese number without its country code becomes a North American one",
    ),
    Fault(
        "common/people-usernames-as-groups",
        _PEOPLE,
        "Y2Fw[A-Za-z0-9_-]{8,}",
        "[A-Za-z][A-Za-z0-9_-]{11,}",
        _RECIPIENT_TESTS,
        "a username, or a BSUID without its dot, is sent to as a group",
    ),
    Fault(
        "common/identities-of-what-is-left",
        "libs/common/src/common/meta/identities.py",
        'or phone(one.get("phone"))',
        'or digits(one.get("phone"))',
        ("libs/common/tests/meta/test_identities.py",),
        "a number without its country code on a card joins the sender to a stranger",
    ),
    Fault(
        "sender/junctions-change-under-way",
        _JUNCTIONS,
        "name in self._in_memory or tenant",
        "tenant",
        _PERSON_TESTS,
        "a later message overtakes an earlier one when Meta names the person's phone in between",
    ),
    Fault(
        "sender/junctions-forget-the-backlog",
        _JUNCTIONS,
        " or tenant in self._backlogged:",
        ":",
        _PERSON_TESTS,
        "a message goes past those to the same name in the backlog",
    ),
    Fault(
        "sender/persons-keep-a-recycled-number",
        _PERSONS,
        "                self._known_as.pop(former, None)\n",
        "                pass\n",
        _PERSON_TESTS,
        "the former owner of a number shares the lane of the new one",
    ),
    Fault(
        "sender/windows-unknown-is-closed",
        _WINDOWS,
        "    if until is not None and until <= now:\n",
        "    if until is None or until <= now:\n",
        _WINDOW_TESTS,
        "a person whom conversation does not know is refused",
    ),
    Fault(
        "sender/windows-refused-for-ever",
        _WINDOWS,
        "    return until is None or (refusal.told is not None and until <= refusal.told)\n",
        "    return True\n",
        _WINDOW_TESTS,
        "a person who has written again is refused",
    ),
    Fault(
        "sender/wiring-statuses-tell-nothing",
        "services/sender/src/sender/service.py",
        "StatusReconciler(self.store, self.transitions, effects.note, ",
        "StatusReconciler(self.store, self.transitions, lambda _: None, ",
        ("services/sender/tests/test_wiring.py",),
        "a window that Meta closes with a status is tried again and again",
    ),
    Fault(
        "sender/an-opt-out-counts-on-any-number",
        "services/sender/src/sender/journal/opt_outs.py",
        '            "phoneNumberId": status.phone_number_id,\n',
        "",
        ("services/sender/tests/journal/test_store.py",),
        "a status on one number stops the campaigns of another",
    ),
    Fault(
        "sender/opt-outs-are-asked-for-every-template",
        "services/sender/src/sender/limits/opt_out_lookup.py",
        "if not self._known.is_marketing(chatbot, subject) or self._known",
        "if self._known",
        ("services/sender/tests/limits/test_opt_outs.py",),
        "each one-time password asks MongoDB for nothing",
    ),
)
