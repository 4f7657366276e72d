"""Faults between tenants: callback data, numbers and accounts of messages, reads, and what settles a send (P8)."""

from typing import Final

from mutants.fault import Fault

_COMMON: Final = "libs/common/src/common"
_CALLBACKS: Final = f"{_COMMON}/security/callbacks.py"
_DIGESTS: Final = f"{_COMMON}/security/digests.py"
_IDS: Final = f"{_COMMON}/contracts/ids.py"
_CONVERSATION: Final = "services/conversation/src/conversation"
_CORE: Final = f"{_CONVERSATION}/batch/core.py"
_INBOUND: Final = f"{_CONVERSATION}/batch/inbound.py"
_OUTBOUND: Final = f"{_CONVERSATION}/batch/outbound.py"
_PEOPLE: Final = f"{_CONVERSATION}/batch/people.py"
_STATE: Final = f"{_CONVERSATION}/batch/working_set.py"
_READS: Final = f"{_CONVERSATION}/read_api/queries.py"
_SETTLE: Final = "services/sender/src/sender/delivery/doubt/reconcile.py"
_FLOW: Final = "services/sender/src/sender/delivery/attempt.py"

_SIGNED: Final = ("libs/common/tests/security/test_callbacks.py", "libs/common/tests/security/test_digests.py")
_TENANTS: Final = ("services/conversation/tests/batch/test_tenancy.py",)
_PLANNED: Final = (*_TENANTS, "services/conversation/tests/batch/test_core.py")
_READ: Final = ("services/conversation/tests/read_api/test_api.py",)
_SETTLED: Final = ("services/sender/tests/delivery/test_small.py",)
_STEPS: Final = ("services/sender/tests/delivery/test_attempt.py",)

FAULTS: Final = (
    Fault(
        "tenancy/callback-of-any-number",
        _CALLBACKS,
        "self._keys.verify(key_id, digest, _PURPOSE, journal_id, phone_number_id)",
        "self._keys.verify(key_id, digest, _PURPOSE, journal_id, digest) or key_id in self._keys.keys",
        _SIGNED,
        "a copied or made up digest speaks of another tenant's send",
    ),
    Fault(
        "tenancy/callback-signed-without-number",
        _CALLBACKS,
        "self._keys.sign(_PURPOSE, journal_id, phone_number_id)",
        "self._keys.sign(_PURPOSE, journal_id)",
        _SIGNED,
        "no status finds its send",
    ),
    Fault(
        "tenancy/callback-unsigned-is-accepted",
        _CALLBACKS,
        "return journal_id if self._unsigned else None",
        "return journal_id",
        _SIGNED,
        "anyone who can compute a journal id settles the send",
    ),
    Fault(
        "tenancy/callback-setting-is-ignored",
        _CALLBACKS,
        "return Callbacks(keys, unsigned=self.callback_accept_unsigned)",
        "return Callbacks(keys)",
        _SIGNED,
        "a doubt that is open during an upgrade is never settled",
    ),
    Fault(
        "tenancy/callback-primary-is-ignored",
        _CALLBACKS,
        "digest_keys(self.callback_keys, self.callback_primary_key,",
        "digest_keys(self.callback_keys, next(iter(self.callback_keys)),",
        _SIGNED,
        "a rotation signs with a key that others do not have yet",
    ),
    Fault(
        "tenancy/digest-of-an-empty-text",
        _DIGESTS,
        "if key is None or not digest:",
        "if key is None:",
        _SIGNED,
        "an empty digest is that of everything",
    ),
    Fault(
        "tenancy/digest-parts-run-together",
        _DIGESTS,
        'text += f"|{len(part)}:{part}"',
        "text += part",
        _SIGNED,
        "a digest of one thing is that of another",
    ),
    Fault(
        "tenancy/digest-without-purpose",
        _DIGESTS,
        "    text = purpose\n",
        '    text = ""\n',
        _SIGNED,
        "a digest for one use is good for another",
    ),
    Fault(
        "tenancy/digest-keys-of-any-length",
        _DIGESTS,
        "if len(key) != KEY_BYTES:",
        "if not key:",
        _SIGNED,
        "a deployment signs with a key that can be guessed",
    ),
    Fault(
        "tenancy/inbound-id-without-number",
        _IDS,
        'return derive_id("message", phone_number_id or "", wamid)',
        'return derive_id("message", wamid)',
        _TENANTS,
        "a wamid that another number has named loses the message",
    ),
    Fault(
        "tenancy/outbound-id-without-number",
        _IDS,
        'return derive_id("outbound", phone_number_id or "", chatbot_id or "", wamid)',
        'return derive_id("outbound", chatbot_id or "", wamid)',
        ("services/conversation/tests/batch/test_tenancy.py", "libs/common/tests/contracts/test_ids.py"),
        "two numbers of one account share the statuses of a message",
    ),
    Fault(
        "tenancy/status-of-any-number-meets-a-send",
        _OUTBOUND,
        'if message is None or message.document.get("phoneNumberId", number) == number:',
        "if True:",
        _TENANTS,
        "unsigned data of an upgrade lets one number change another's send",
    ),
    Fault(
        "tenancy/status-by-wamid-of-any-account",
        _OUTBOUND,
        "        if of_owner and not stands_in and not message.is_inbound",
        "        if not stands_in and not message.is_inbound",
        _TENANTS,
        "the present owner of a number changes what was sent from it before",
    ),
    Fault(
        "tenancy/status-on-a-customer-s-message",
        _OUTBOUND,
        "        if of_owner and not stands_in and not message.is_inbound",
        "        if of_owner and not stands_in",
        _TENANTS,
        "a status makes a customer's message one of ours",
    ),
    Fault(
        "tenancy/late-status-goes-to-the-heir",
        _OUTBOUND,
        'chatbot = message.document.get("chatbotId", owner)\n    _note',
        "chatbot = owner\n    _note",
        _TENANTS,
        "a late status puts the first account's person into the thread of the next",
    ),
    Fault(
        "tenancy/result-stays-where-a-status-put-it",
        _OUTBOUND,
        "    if not _belongs_to(message, data.phone_number_id, data.chatbot_id):\n",
        "    if False:\n",
        _TENANTS,
        "text and metadata appear in another tenant's thread",
    ),
    Fault(
        "tenancy/conversation-id-without-account",
        _PEOPLE,
        'given = "conversation", chatbot or "", alias, ',
        'given = "conversation", alias, ',
        _TENANTS,
        "the next account of a number meets the conversation of the first",
    ),
    Fault(
        "tenancy/conversation-of-any-account",
        _PEOPLE,
        "working.found(chatbot, named.aliases)",
        "[c for (_, alias), c in working.by_alias.items() if alias in named.aliases][:1]",
        _TENANTS,
        "history goes to the present owner of the number",
    ),
    Fault(
        "tenancy/conversation-without-owner",
        _PEOPLE,
        "            chatbotId=chatbot,\n            aliases=[],",
        "            aliases=[],",
        _PLANNED,
        "a conversation belongs to no account, and no tenant can read it",
    ),
    Fault(
        "tenancy/statuses-without-end",
        _OUTBOUND,
        'if len(message.document.get("statuses", ())) >= MAX_STATUSES:',
        "if False:",
        _TENANTS,
        "one document grows until MongoDB refuses it",
    ),
    Fault(
        "tenancy/state-stops-with-the-history",
        _OUTBOUND,
        '    message.set("deliveryStatus", advance(before, word))\n',
        '    message.set("deliveryStatus", before or word)\n',
        _PLANNED,
        "a status changes nothing",
    ),
    Fault(
        "tenancy/wamids-without-end",
        _OUTBOUND,
        "and wamid not in others and len(others) < MAX_OTHER_WAMIDS:",
        "and wamid not in others:",
        _TENANTS,
        "one document grows until MongoDB refuses it",
    ),
    Fault(
        "tenancy/aliases-without-end",
        _STATE,
        "return list(aliases[-MAX_ALIASES:])",
        "return list(aliases)",
        _TENANTS,
        "one document grows until MongoDB refuses it",
    ),
    Fault(
        "tenancy/aliases-keep-the-oldest",
        _STATE,
        "return list(aliases[-MAX_ALIASES:])",
        "return list(aliases[:MAX_ALIASES])",
        _TENANTS,
        "a person who changed the phone is not known again",
    ),
    Fault(
        "tenancy/messages-before-are-forgotten",
        _INBOUND,
        "message = working.messages.get(message_id) or _stored_before(working, fact, chatbot)",
        "message = working.messages.get(message_id)",
        _READ,
        "after an upgrade Meta's repetitions are answered once more",
    ),
    Fault(
        "tenancy/thread-of-any-tenant",
        _READS,
        "else ids[0], **reach.query()}",
        "else ids[0]}",
        _READ,
        "what earlier versions left in a thread is shown to another tenant",
    ),
    Fault(
        "tenancy/window-of-any-conversation",
        f"{_CONVERSATION}/batch/service_window.py",
        "max(conversation[name], found",
        "min(conversation[name], found",
        ("services/conversation/tests/batch/test_service_window.py",),
        "a window is taken for closed because another account's conversation is older",
    ),
    Fault(
        "tenancy/settled-by-any-number",
        _SETTLE,
        "(status for status in statuses if status.phone_number_id == entry.phone_number_id)",
        "statuses",
        _SETTLED,
        "a status of another number ends a send that no phone received",
    ),
    Fault(
        "tenancy/settled-by-any-account",
        _SETTLE,
        "[status for status in of_number if status.chatbot_id in (None, entry.chatbot_id)]",
        "list(of_number)",
        _SETTLED,
        "a status of another account ends a send",
    ),
    Fault(
        "tenancy/settled-by-the-first-status-alone",
        _SETTLE,
        "in (None, entry.chatbot_id)]\n",
        "in (None, entry.chatbot_id) and status is statuses[0]]\n",
        _SETTLED,
        "a forged status hides the genuine one that comes with it",
    ),
    Fault(
        "tenancy/callback-of-another-number-is-sent",
        _FLOW,
        "self.callbacks.data_of(journal_id, credentials.phone_number_id, traceparent)",
        "self.callbacks.data_of(journal_id, credentials.chatbot_id, traceparent)",
        ("services/sender/tests/delivery/test_attempt.py", "services/sender/tests/process/test_sending.py"),
        "no status ever settles a doubt",
    ),
)
