"""Faults in what producers may send: forms, paths of errors, parameters and files."""

from typing import Final

from mutants.fault import Fault

_OUTBOUND: Final = "libs/common/src/common/contracts/outbound"
_FORMS: Final = ("libs/common/tests/contracts/outbound/test_outbound_forms.py",)
_IDS: Final = ("libs/common/tests/contracts/outbound/test_outbound_ids.py",)
_EXAMPLES: Final = ("tests/contract/test_outgoing_examples.py",)

FAULTS: Final = (
    Fault(
        "messages/contradiction-taken",
        f"{_OUTBOUND}/nested.py",
        "if name in inner and inner[name] != given[name]:",
        "if False:",
        _FORMS,
        "of two texts that contradict each other one is sent, and the caller does not learn which",
    ),
    Fault(
        "messages/kept-as-given",
        f"{_OUTBOUND}/nested.py",
        '    return {**request, **reply, "message": _plain_message(message, kind)}',
        "    return request",
        ("services/sender/tests/records/test_parsing.py", *_EXAMPLES),
        "a message in Meta's form is stored without its text",
    ),
    Fault(
        "messages/quote-lost",
        "services/sender/src/sender/delivery/payloads.py",
        "    if request.quoted is not None:",
        "    if request.reply_to is not None:",
        (
            "tests/contract/test_outgoing_examples.py",
            "libs/common/tests/contracts/outbound/test_outbound_forms.py",
        ),
        "a reply in Meta's form quotes nothing",
    ),
    Fault(
        "messages/defaults-sent",
        "services/sender/src/sender/delivery/payloads.py",
        "for name in _content_of(type(message)) if name in given}",
        "for name in _content_of(type(message))}",
        _EXAMPLES,
        "Meta gets fields that the caller never wrote",
    ),
    Fault(
        "messages/branch-in-path",
        "libs/common/src/common/contracts/validation/refusals.py",
        "part.startswith(BRANCH)",
        "part.startswith(BRANCH * 2)",
        _FORMS,
        "an error's path has steps that the caller did not write",
    ),
    Fault(
        "messages/pin-in-a-chat",
        "libs/common/src/common/contracts/sends.py",
        '    if isinstance(message, Pin) and kind != "group":',
        "    if False:",
        ("libs/common/tests/contracts/outbound/test_outbound_pins.py",),
        "a pin for a person is enqueued, and fails at Meta",
    ),
    Fault(
        "messages/rounded-ids",
        f"{_OUTBOUND}/shape.py",
        "    if isinstance(given, float) or abs(given) > _LAST_CERTAIN:",
        "    if isinstance(given, float):",
        _IDS,
        "a number that its writer has rounded opens another flow or product",
    ),
    Fault(
        "messages/ids-in-actions-as-numbers",
        f"{_OUTBOUND}/shape.py",
        "    if name not in _IDS:",
        "    if True:",
        _IDS,
        "Meta gets a number as the id of a product, and refuses the message",
    ),
    Fault(
        "messages/flows-data-rewritten",
        f"{_OUTBOUND}/shape.py",
        """    if name in _OWN_DATA:
        return inner
""",
        "",
        _IDS,
        "a flow begins with other data than its producer gave",
    ),
    Fault(
        "messages/line-break-sent",
        f"{_OUTBOUND}/parameters.py",
        "    if _REFUSED.search(text):",
        "    if _REFUSED.fullmatch(text):",
        _FORMS,
        "Meta refuses every template whose parameter has a line break, after it was accepted here",
    ),
    Fault(
        "messages/name-of-a-file-lost",
        "services/sender/src/sender/media/links.py",
        'return {**update, "filename": ready.name} if is_nameless else update',
        "return update",
        ("services/sender/tests/media/test_links.py",),
        "an uploaded document is shown as untitled",
    ),
    Fault(
        "messages/first-bytes-ignored",
        "libs/common/src/common/meta/media/types.py",
        "return (sniffed(head) if untold else None) or declared_type(mime_type, name)",
        "return declared_type(mime_type, name)",
        ("libs/common/tests/meta/media/test_types.py",),
        "a file from a storage that tells no type is refused",
    ),
)
