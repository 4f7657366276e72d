"""How far a refusal reaches: one template or kind, or the number; and what a send that waits apart comes to."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.journal import State
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.meta.client import Answered
from common.meta.errors import RULES, Klass, Scope
from sender.delivery.core import Rules, after, before, kept_apart
from sender.delivery.scopes import APART, scope_of, subject_of
from sender.delivery.transitions import new_entry
from sender.outcomes import Apart, Dead, Defer, Hold

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RULES_OF_OPERATORS = Rules(
    in_doubt_seconds=30, in_doubt_resend=True, pause_seconds=30, pause_cap_seconds=300, hold_seconds=1_000
)
ERROR = MetaError(code=131063, reason="marketing_disabled")
BODY = {"body": {"text": "x"}}
FLOW = {
    "flow_message_version": "3",
    "flow_id": "4711",
    "flow_cta": "Go",
    "flow_action": "navigate",
    "flow_action_payload": {"screen": "A"},
}


def ask(message, **fields):
    return SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": message, **fields})


def template(name="offer", code="en", **fields):
    return ask({"type": "template", "template": {"name": name, "language": {"code": code}}, **fields})


def interactive(kind, action):
    return ask({"type": "interactive", "interactive": {"type": kind, **BODY, "action": action}})


TEXT, TYPED_TEXT = ask("hi"), ask({"type": "text", "body": "hi"})
READ = ask({"type": "read", "message_id": "wamid.1"})
IMAGE = ask({"type": "image", "link": "https://example.com/a.png"})
ORDER = interactive("order_details", {"name": "review_and_pay", "parameters": {}})
CALL = interactive("voice_call", {"name": "voice_call"})
FLOWS = interactive("flow", {"name": "flow", "parameters": FLOW})


@pytest.mark.parametrize(
    ("code", "request_", "scope"),
    [
        (131063, template(), Scope.CATEGORY),
        (131063, TEXT, Scope.MESSAGE),
        (134102, template(), Scope.TEMPLATE),
        (134101, template(), Scope.TEMPLATE),
        (134011, ORDER, Scope.CATEGORY),
        (134011, TYPED_TEXT, Scope.MESSAGE),
        (131044, CALL, Scope.CATEGORY),
        (132069, FLOWS, Scope.TEMPLATE),
        (200, template(), Scope.CATEGORY),
        (299, ORDER, Scope.CATEGORY),
        (10, IMAGE, Scope.CATEGORY),
        (200, TEXT, Scope.NUMBER),
        (200, TYPED_TEXT, Scope.NUMBER),
        (200, READ, Scope.MESSAGE),
        (200, None, Scope.NUMBER),
        (190, template(), Scope.NUMBER),
        (131042, template(), Scope.NUMBER),
        (131056, template(), Scope.PAIR),
        (131207, TEXT, Scope.GROUP),
        (132001, template(), Scope.MESSAGE),
        (None, template(), Scope.MESSAGE),
    ],
)
def test_how_far_a_refusal_of_a_request_reaches(code, request_, scope):
    assert scope_of(code, None, request_) is scope


@pytest.mark.parametrize("code", [*sorted(RULES), 7, 131_999, 999_999])
@pytest.mark.parametrize("request_", [template(), ORDER, IMAGE])
def test_a_kind_of_message_never_stops_a_number_for_what_concerns_the_kind_or_is_unknown(code, request_):
    known = RULES.get(code)
    if known is None or known.scope in {Scope.MESSAGE, Scope.TEMPLATE, Scope.CATEGORY, Scope.GROUP, Scope.PAIR}:
        assert scope_of(code, None, request_) not in {Scope.NUMBER, Scope.WABA, Scope.APP}


def test_100_with_subcode_33_is_the_number_whatever_was_sent():
    for request_ in (TEXT, template(), READ, None):
        assert scope_of(100, 33, request_) is Scope.NUMBER
        assert scope_of(100, 34, request_) is Scope.MESSAGE


def test_a_template_is_told_from_others_by_name_language_and_endpoint():
    subjects = [
        subject_of(request_)
        for request_ in (
            template(),
            template("other"),
            template(code="de"),
            template(marketing_lite=True),
            ORDER,
            CALL,
            FLOWS,
            IMAGE,
        )
    ]
    assert len(set(subjects)) == len(subjects)
    assert None not in subjects
    assert subject_of(template()) == subject_of(template())
    assert [subject_of(request_) for request_ in (TEXT, TYPED_TEXT, READ, None, ERROR)] == [None] * 5


def answered(code, request_, subcode=None):
    body = {"error": {"code": code, "error_subcode": subcode, "message": "no"}}
    end = Answered(400, json.dumps(body).encode())
    return after(
        end, attempt=4, repeatable=False, strikes=0, now=NOW, rules=RULES_OF_OPERATORS, request=request_
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "request_", "base"),
    [
        (131063, template(), 30),
        (134102, template(), 30),
        (200, template(), 30),
        (134011, ORDER, 30),
        (134101, template(), 600),
        (132069, FLOWS, 3_600),
    ],
)
def test_what_concerns_a_template_or_kind_waits_apart_and_spends_nothing(code, request_, base):
    outcome = answered(code, request_)
    assert isinstance(outcome, Defer)
    assert outcome.hold == Hold(base, 3_600, refused=True, apart=True)


@pytest.mark.parametrize(
    ("code", "request_"), [(131063, TEXT), (134011, TEXT), (131044, TEXT), (200, READ), (131207, TEXT)]
)
def test_what_can_concern_no_more_than_the_message_ends_it(code, request_):
    outcome = answered(code, request_)
    assert isinstance(outcome, Dead)
    assert not outcome.letter


def test_a_lost_number_is_held_and_reported_with_what_to_do():
    outcome = answered(100, template(), 33)
    assert outcome.hold == Hold(30, 300, rejected=True, refused=True)
    assert outcome.error.reason == "number_lost"
    assert "assign the WhatsApp account" in outcome.error.details
    assert answered(190, TEXT, 463).error.reason == "token_expired"
    assert answered(100, TEXT) == Dead(MetaError(code=100, reason="invalid_parameter", title="no"))


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def waiting(since=0, due=30):
    entry = new_entry("j", "b", "m", "+49", NOW)
    return type(entry)(**{
        **{name: getattr(entry, name) for name in entry.__struct_fields__},
        "state": State.DEFERRED, "first_failed_at": at(since), "due": at(due), "apart": "x", "error": ERROR,
    })  # fmt: skip


def kept(request_, entry, due, now):
    return kept_apart(request_, entry, at(due), ERROR, now=at(now), rules=RULES_OF_OPERATORS)


def test_what_waits_apart_tells_of_itself_first_and_when_its_wait_has_doubled():
    subject = subject_of(template())
    assert kept(template(), None, 30, 0) == Apart(at(30), ERROR, subject, news=True)
    assert kept(template(), waiting(due=30), 45, 30) == Apart(at(45), ERROR, subject, news=False)
    assert kept(template(), waiting(due=30), 60, 30) == Apart(at(60), ERROR, subject, news=True)


def test_what_waits_apart_ends_and_comes_back_in_time_for_that():
    assert kept(template(), waiting(), 5_000, 900) == Apart(at(1_000), ERROR, subject_of(template()), news=True)
    assert kept(template(), waiting(), 5_000, 1_000) == Dead(ERROR)
    expiring = ask(
        {"type": "template", "template": {"name": "offer", "language": {"code": "en"}}}, expiresAt=at(40).isoformat()
    )
    assert kept(expiring, None, 5_000, 0).due == at(40)


def test_what_waits_apart_is_not_called_before_its_time_and_stays_apart():
    found = before(template(), None, waiting(due=30), owner="o", now=at(29), rules=RULES_OF_OPERATORS)
    assert found == Apart(at(30), ERROR, "x")


def test_every_scope_that_waits_apart_has_codes_that_wait():
    for scope in APART:
        assert {rule.klass for rule in RULES.values() if rule.scope is scope} <= {Klass.ACCOUNT, Klass.AUTH, Klass.WAIT}
