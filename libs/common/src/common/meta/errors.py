"""What to do about each error of Meta's, as data.

Classify by Meta's `code`, never by HTTP status or title: throttling comes as 400 and permission errors as 500. A
subcode only says more about its code (`subcodes`). The codes and their meanings are those of Meta's error page and of
the maintained SDKs that list more; the `klass` of a row is what a sender does about it, its `scope` how far it reaches
at most. Only an answer that has no readable code is judged by its status.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from common.meta.broken_text import read_torn

_HOUR: Final = 3_600.0
_MAX_CODE: Final = 2**31 - 1
"""What a code may be: MongoDB stores nothing beyond 64 bits, and Meta's have at most ten digits."""
_MAX_DIGITS: Final = 15


class Klass(StrEnum):
    """What to do about an error."""

    RETRY = "retry"
    """Transient: try again after a delay; each try counts."""
    THROTTLE = "throttle"
    """Too fast: wait and go on; nothing is wrong with the message, so the try does not count."""
    WAIT = "wait"
    """Meta refuses for hours. Scope MESSAGE: the send fails. NUMBER: the number is held. TEMPLATE: the send waits."""
    PERMANENT = "permanent"
    """This request will never be accepted as it stands."""
    ACCOUNT = "account"
    """The account or number needs its owner: keep its messages, try again now and then."""
    AUTH = "auth"
    """The access token does not work: the same, until there is another token."""
    AMBIGUOUS = "ambiguous"
    """Meta failed and does not know: with a code it did not take the message, without one it may have."""


class Scope(StrEnum):
    """How far an error reaches."""

    MESSAGE = "message"
    TEMPLATE = "template"
    """One template of this number; its other templates and its replies are not concerned."""
    CATEGORY = "category"
    """A kind of message, or the templates of a category: marketing, payments, calls, or what one endpoint takes."""
    GROUP = "group"
    """This number writing to this group."""
    PAIR = "pair"
    """This number writing to this recipient; other recipients are not concerned."""
    NUMBER = "number"
    WABA = "waba"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: `reason` is our stable name of the error; `seconds` the least wait that Meta asks for, if it does."""

    klass: Klass
    reason: str
    scope: Scope = Scope.MESSAGE
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class GraphFailure:
    """An answer that is not a success.

    `code` is Meta's, absent when the body had none; `known` says whether the table has it. `advice` says what to do, in
    our words, where a subcode tells. `message` and `details` are Meta's words and may name the recipient: they go to
    the producer, not to logs.
    """

    code: int | None
    rule: Rule
    known: bool
    subcode: int | None = None
    advice: str | None = None
    message: str | None = None
    details: str | None = None
    fbtrace_id: str | None = None

    @property
    def klass(self) -> Klass:
        """What to do about it."""
        return self.rule.klass


def _rows(klass: Klass, scope: Scope, seconds: float, rows: str) -> Iterable[tuple[int, Rule]]:
    """Rows written one a line as `code[-code] reason`."""
    for line in rows.strip().splitlines():
        codes, reason = line.split()
        first, _, last = codes.partition("-")
        for code in range(int(first), int(last or first) + 1):
            yield code, Rule(klass, reason, scope, seconds)


_AUTH = """
0 token_invalid
104 token_missing
190 token_expired
"""

# Meta: "Permission is either not granted or has been removed". It may be missing for one endpoint or kind of message.
_PERMISSION = """
3 capability_missing
10 permission_missing
200-299 permission_missing
131005 access_denied
"""

# Some of them concern all numbers of a WABA; each number learns that by itself.
_ACCOUNT = """
33 number_unknown
368 account_restricted
131031 account_locked
131037 display_name_not_approved
131042 payment_problem
131045 number_not_registered
133000 registration_incomplete
133006 number_not_verified
133010 number_not_registered
"""

# Meta: 131063 "marketing templates are disabled on Cloud API for this account", 134011 "WhatsApp Payments terms of
# service have not been accepted", 131044 "payment issue of a user-initiated call". Replies are not concerned.
_CATEGORY = """
131044 calls_payment_problem
131063 marketing_disabled
134011 payments_terms_not_accepted
"""

_RETRY = """
1 invalid_request_or_server_error
131053 media_upload_failed
133004 server_unavailable
139102-139103 block_list_busy
"""

_AMBIGUOUS = """
2 service_down
131000 unknown_error
131016 service_unavailable
"""

_PERMANENT = """
100 invalid_parameter
130403 recipient_blocked_by_business
130472 recipient_in_experiment
130497 country_not_allowed
131008 parameter_missing
131009 parameter_invalid
131020 group_error
131021 recipient_is_sender
131026 undeliverable
131030 recipient_not_allowed
131041 group_error
131047 window_closed
131050 recipient_opted_out
131051 message_type_unsupported
131052 media_download_failed
131055 method_not_allowed
131058 test_template_only
131059 cursor_invalid
131060 message_unavailable
131061 no_evidence
131062 recipient_needs_phone_number
131201 partial_success
131202 group_error
131204 group_error
131209-131215 group_error
132000 template_parameter_count
132001 template_missing
132005 template_text_too_long
132007 template_policy_violation
132008 template_parameter_invalid
132012 template_parameter_format
132015 template_paused
132016 template_disabled
132018 template_parameter_invalid
132068 flow_blocked
133005 pin_wrong
134100 only_marketing_allowed
134103 marketing_api_error
135000 parameter_invalid
137000 identity_changed
138000-138023 calling_error
139000-139004 flow_integrity
139100-139101 block_list_error
147001-147005 username_error
200005-200007 template_insights_error
1752041 already_requested
2388001 migration_error
2388012 migration_error
2388019 template_limit
2388039-2388040 template_creation
2388047 template_creation
2388072-2388073 template_creation
2388091 migration_error
2388093 migration_error
2388103 migration_error
2388293 template_creation
2388299 template_creation
2494164-2494179 signup_error
2593079 mobility_error
2593085 mobility_error
2593107-2593109 history_sync_error
"""

OPTED_OUT: Final = 131050
"""The person has stopped marketing messages from this business."""

RULES: Final[Mapping[int, Rule]] = MappingProxyType(
    dict(
        [
            *_rows(Klass.AUTH, Scope.NUMBER, 0, _AUTH),
            *_rows(Klass.AUTH, Scope.CATEGORY, 0, _PERMISSION),
            *_rows(Klass.ACCOUNT, Scope.NUMBER, 0, _ACCOUNT),
            # Meta: "Group suspended".
            *_rows(Klass.ACCOUNT, Scope.GROUP, 0, "131207 group_suspended"),
            *_rows(Klass.ACCOUNT, Scope.CATEGORY, 0, _CATEGORY),
            # Meta: "Template unavailable for use".
            *_rows(Klass.ACCOUNT, Scope.TEMPLATE, 0, "134102 template_not_eligible"),
            *_rows(Klass.RETRY, Scope.MESSAGE, 0, _RETRY),
            *_rows(Klass.AMBIGUOUS, Scope.MESSAGE, 0, _AMBIGUOUS),
            *_rows(Klass.PERMANENT, Scope.MESSAGE, 0, _PERMANENT),
            *_rows(Klass.THROTTLE, Scope.APP, 0, "4 app_rate_limit\n613 app_rate_limit"),
            *_rows(Klass.THROTTLE, Scope.WABA, 0, "80007 waba_rate_limit"),
            *_rows(Klass.THROTTLE, Scope.NUMBER, 0, "130429 number_rate_limit"),
            *_rows(Klass.THROTTLE, Scope.GROUP, 0, "131208 group_rate_limit"),
            *_rows(Klass.THROTTLE, Scope.PAIR, 0, "131056 pair_rate_limit"),
            # An upgrade of the number's throughput takes up to a minute; other maintenance takes minutes.
            *_rows(Klass.THROTTLE, Scope.NUMBER, 60, "131057 number_in_maintenance\n2494100 number_in_maintenance"),
            *_rows(Klass.THROTTLE, Scope.NUMBER, 300, "133015 number_recently_deleted"),
            # Spam signals concern the number; the others one recipient, template or procedure, and other messages
            # of the number must not wait for them.
            *_rows(Klass.WAIT, Scope.NUMBER, 1 * _HOUR, "131048 spam_restriction"),
            *_rows(Klass.WAIT, Scope.MESSAGE, 24 * _HOUR, "131049 withheld_for_recipient"),
            *_rows(Klass.WAIT, Scope.MESSAGE, 24 * _HOUR, "131064 template_misclassified"),
            # Meta: a throttled flow sends ten messages in an hour.
            *_rows(Klass.WAIT, Scope.TEMPLATE, 1 * _HOUR, "132069 flow_throttled"),
            *_rows(Klass.WAIT, Scope.MESSAGE, 1 * _HOUR, "133008 pin_attempts\n133009 pin_attempts"),
            *_rows(Klass.WAIT, Scope.MESSAGE, 72 * _HOUR, "133016 registration_attempts"),
            # Meta: a new or edited template syncs for up to ten minutes.
            *_rows(Klass.WAIT, Scope.TEMPLATE, _HOUR / 6, "134101 template_syncing"),
        ]
    )
)
"""Every code that has a rule of its own."""

UNKNOWN_CODE: Final = Rule(Klass.RETRY, "unknown_code")
"""A code that is not documented yet: most new codes are transient, and retries end in the dead-letter queue."""


class Subcode(NamedTuple):
    """What a subcode says beyond its code: our name of the reason, what its reader should do, and where."""

    reason: str
    advice: str
    klass: Klass = Klass.AUTH
    scope: Scope = Scope.NUMBER


# Meta: Graph API, "Handle errors", table of authentication subcodes.
SUBCODES: Final[Mapping[tuple[int, int | None], Subcode]] = MappingProxyType(
    {
        (100, 33): Subcode(
            "number_lost",
            "the phone number id does not exist or the access token may not use it; check the id, and assign the"
            " WhatsApp account to the token's system user again",
        ),
        (190, 458): Subcode(
            "app_removed", "the app was removed from the business; connect it again and save a new access token"
        ),
        (190, 459): Subcode(
            "user_checkpointed", "the token's user must log in at facebook.com and follow the steps shown there"
        ),
        (190, 460): Subcode("password_changed", "the token's user changed the password; save a new access token"),
        (190, 463): Subcode(
            "token_expired",
            "the access token has expired; save a new one, best a system user's, which does not expire",
        ),
        (190, 464): Subcode("user_unconfirmed", "the token's user must confirm the account at facebook.com"),
        (190, 467): Subcode(
            "token_invalid", "the access token was revoked or its session has ended; save a new access token"
        ),
        (190, 492): Subcode(
            "role_lost",
            "the token's user has lost the role in the business or page; give it one, or save another's token",
        ),
    }
)
"""Every (code, subcode) that says more than its code alone."""


def rule_of(code: int, subcode: int | None = None) -> Rule:
    """The rule for an error. Pure."""
    more = SUBCODES.get((code, subcode))
    if more is not None:
        return Rule(more.klass, more.reason, more.scope)
    return RULES.get(code, UNKNOWN_CODE)


def classify(http_status: int, body: bytes) -> GraphFailure:
    """What an answer means that is not a readable success. Pure; never raises, whatever the body is."""
    error = _error_of(body)
    code = _number(error.get("code"))
    if code is None:
        return GraphFailure(code=None, rule=_by_status(http_status), known=True)
    subcode = _number(error.get("error_subcode"))
    more = SUBCODES.get((code, subcode))
    return GraphFailure(
        code=code,
        rule=rule_of(code, subcode),
        known=code in RULES,
        subcode=subcode,
        advice=more.advice if more is not None else None,
        message=_text(error.get("message")),
        details=_details(error.get("error_data")),
        fbtrace_id=_text(error.get("fbtrace_id")),
    )


def _by_status(status: int) -> Rule:
    if status == 429:
        return Rule(Klass.THROTTLE, "http_429", Scope.APP)
    if status in (401, 403):
        return Rule(Klass.RETRY, f"http_{status}")  # Meta itself always gives a code; this is something in between
    if 200 <= status < 300 or status >= 500:
        # A gateway gave up waiting, or a success cannot be read: the message may well be on its way.
        return Rule(Klass.AMBIGUOUS, f"http_{status}_unreadable")
    return Rule(Klass.RETRY, f"http_{status}")


def _error_of(body: bytes) -> Mapping[str, Any]:
    try:
        answer = read_torn(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return _object(_object(answer).get("error"))


def _object(value: object) -> Mapping[str, Any]:
    """An object, also where it is the only item of a list; empty when there is none."""
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    return only if isinstance(only, dict) else {}


def _details(data: object) -> str | None:
    """The details of `error_data`, which may also be JSON in a text, or be the details themselves."""
    if not isinstance(data, str):
        return _text(_object(data).get("details"))
    try:
        told = _object(msgspec.json.decode(data)).get("details")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        told = None
    return _text(told) or data or None


def _number(value: object) -> int | None:
    """Meta's `code` or `error_subcode`; as text, or with a fraction of nothing, it means the same."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_CODE else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
