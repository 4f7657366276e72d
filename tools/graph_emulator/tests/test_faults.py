import pytest

from graph_emulator.control.fault_plans import parse_plan, show_plan
from graph_emulator.faults import NO_CALL_FAULT, NO_WEBHOOK_FAULT, Event
from graph_emulator.misuse import Misuse

CALL = Event("111", ("4915150000001", "DE.1"), "text")
STATUS = Event("111", ("4915150000001", "DE.1"), "delivered", is_status=True)


def plan(*rules, **more):
    return parse_plan({"rules": list(rules)} | more)


def kinds(made, event, count):
    decisions = [made.decide_call(event) for _ in range(count)]
    return [decision.fault.kind if decision.fault else None for decision in decisions]


def test_no_rules_no_fault():
    assert plan().decide_call(CALL) is NO_CALL_FAULT
    assert plan().decide_webhook(STATUS) is NO_WEBHOOK_FAULT


@pytest.mark.parametrize(
    ("match", "strikes"),
    [
        ({}, True),
        ({"phone": "111"}, True),
        ({"phone": "222"}, False),
        ({"to": "4915150000001"}, True),
        ({"to": "DE.1"}, True),
        ({"to": "4915150000002"}, False),
        ({"type": "text"}, True),
        ({"type": "image"}, False),
        ({"probability": 0}, False),
        ({"probability": 1}, True),
    ],
)
def test_a_rule_strikes_what_it_matches(match, strikes):
    made = plan({"match": match, "fault": {"kind": "reset"}})
    assert (made.decide_call(CALL).fault is not None) is strikes


def test_nth_counts_only_what_matches():
    made = plan({"match": {"nth": 2, "type": "text"}, "fault": {"kind": "reset"}})
    other = Event("111", ("4915150000001",), "image")
    assert kinds(made, other, 3) == [None, None, None]
    assert kinds(made, CALL, 3) == [None, "reset", None]


def test_times_ends_a_rule():
    assert kinds(plan({"fault": {"kind": "reset"}, "times": 2}), CALL, 4) == ["reset", "reset", None, None]


def test_the_first_rule_that_strikes_wins():
    made = plan({"fault": {"kind": "reset"}, "times": 1}, {"fault": {"kind": "lose_answer"}})
    assert kinds(made, CALL, 2) == ["reset", "lose_answer"]


def test_slow_adds_up_and_goes_with_another_fault():
    slow = {"fault": {"kind": "slow", "beforeMs": 10, "afterMs": 5}}
    decision = plan(slow, slow, {"fault": {"kind": "error", "code": 131056}}).decide_call(CALL)
    assert (decision.before_ms, decision.after_ms, decision.code) == (20, 10, 131056)


def test_the_same_seed_gives_the_same_faults():
    source = {"seed": 7, "probabilities": {"lose_answer": 0.2, "http_5xx": 0.3, "throttle": 0.3}}

    def outcome(made):
        decisions = [made.decide_call(CALL) for _ in range(200)]
        return [(d.fault.kind if d.fault else None, d.code, d.status) for d in decisions]

    first = outcome(parse_plan(source))
    assert first == outcome(parse_plan(source))
    assert first != outcome(parse_plan(source | {"seed": 8}))
    struck = sum(kind == "lose_answer" for kind, _, _ in first)
    assert 20 <= struck <= 60
    assert {code for kind, code, _ in first if kind == "http_5xx"} == {131000, 131016, 2}
    throttles = {(code, status) for kind, code, status in first if kind == "throttle"}
    assert throttles == {(130429, None), (80007, None), (131056, None), (4, None), (613, 429)}


def test_a_given_code_and_status_are_kept():
    decision = plan({"fault": {"kind": "throttle", "code": 80007, "status": 429}}).decide_call(CALL)
    assert (decision.code, decision.status) == (80007, 429)


def test_webhook_faults_combine():
    made = plan(
        {"fault": {"kind": "duplicate", "copies": 2}},
        {"fault": {"kind": "delay", "ms": 30}},
        {"fault": {"kind": "reorder", "ms": 40}},
        {"fault": {"kind": "batch", "size": 9, "shape": "changes"}},
    )
    decision = made.decide_webhook(STATUS)
    assert (decision.copies, decision.hold_ms, decision.overtaken_ms) == (2, 30, 40)
    assert decision.batch is not None
    assert (decision.batch.size, decision.shape) == (9, "changes")


def test_a_mixed_batch_draws_every_shape():
    made = plan({"fault": {"kind": "batch"}}, seed=1)
    assert {made.decide_webhook(STATUS).shape for _ in range(50)} == {"items", "changes", "entries"}


def test_only_statuses_are_dropped():
    made = plan({"fault": {"kind": "drop_status"}})
    assert made.decide_webhook(STATUS).drop
    assert not made.decide_webhook(Event("111", ("4915150000001",), "text")).drop


def test_call_rules_leave_webhooks_alone_and_the_other_way_round():
    made = plan({"fault": {"kind": "reset"}}, {"fault": {"kind": "drop_status"}})
    made.decide_call(CALL)
    assert [rule["seen"] for rule in show_plan(made)["rules"]] == [1, 0]


def test_the_plan_shows_what_was_given_and_how_often_it_struck():
    rule = {"match": {"type": "text"}, "fault": {"kind": "slow", "beforeMs": 5}, "times": 1}
    made = plan(rule, seed=3)
    kinds(made, CALL, 2)
    assert show_plan(made) == {"seed": 3, "rules": [rule | {"seen": 2, "fired": 1}]}


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ({"rule": []}, "unknown keys rule"),
        ({"rules": [{"fault": {"kind": "explode"}}]}, "unknown fault kind 'explode'"),
        ({"rules": [{"fault": {}}]}, "fault needs kind"),
        ({"rules": [{}]}, "fault must be a JSON object"),
        ({"rules": [{"fault": {"kind": "error"}}]}, "needs a code"),
        ({"rules": [{"fault": {"kind": "slow", "before": 1}}]}, "unknown keys before"),
        ({"rules": [{"fault": {"kind": "slow", "beforeMs": "1"}}]}, "fault.beforeMs"),
        ({"rules": [{"fault": {"kind": "slow", "beforeMs": -1}}]}, "fault.beforeMs"),
        ({"rules": [{"fault": {"kind": "slow", "beforeMs": True}}]}, "fault.beforeMs"),
        ({"rules": [{"fault": {"kind": "lose_answer", "mode": "burn"}}]}, "fault.mode"),
        ({"rules": [{"fault": {"kind": "batch", "size": 1001}}]}, "fault.size"),
        ({"rules": [{"fault": {"kind": "batch", "shape": "round"}}]}, "fault.shape"),
        ({"rules": [{"match": {"probability": 2}, "fault": {"kind": "reset"}}]}, "probability"),
        ({"rules": [{"match": {"phoneId": "1"}, "fault": {"kind": "reset"}}]}, "unknown keys phoneId"),
        ({"rules": [{"fault": {"kind": "reset"}, "times": 0}]}, "times"),
        ({"probabilities": {"explode": 0.5}}, "unknown fault kind"),
        ({"rules": "all"}, "rules"),
        ({"seed": "seven"}, "seed"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(source, complaint):
    with pytest.raises(Misuse, match=complaint):
        parse_plan(source)
