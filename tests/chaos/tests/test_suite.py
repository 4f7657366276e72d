"""The fault suite's own rules: a plan keeps its promises, a verdict finds each breach, a broken build is found."""

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos import check_broken_builds, rolling
from chaos.__main__ import arguments, options_of
from chaos.broken_builds import BUILDS, command
from chaos.evidence.lateness import lateness, summary
from chaos.evidence.verdict import Asked, Direct, DirectReceived, Event, Facts, Reply, judge
from chaos.evidence.witness import halts_in, secrets_in
from chaos.evolving import Evolved
from chaos.plan import OUTAGES, STORMS, WINDOW_SECONDS, Profile, plan
from chaos.report import Run, as_json, as_text, last_line
from chaos.run import Outcome
from testbed.plan import names_of

PROFILE = Profile({"ingress": 2, "conversation": 2, "sender": 2})


def test_the_same_seed_gives_the_same_faults():
    assert plan(7, 50, PROFILE) == plan(7, 50, PROFILE)
    assert plan(7, 50, PROFILE) != plan(8, 50, PROFILE)


@given(st.integers(0, 10_000), st.sampled_from([1, 3]), st.sampled_from([1, 3]))
def test_faults_leave_what_they_hit_time_to_come_back(seed, kafka, mongo):
    profile = replace(PROFILE, kafka_nodes=kafka, mongo_nodes=mongo)
    faults = plan(seed, 80, profile)
    assert [fault.number for fault in faults] == list(range(1, 81))
    for party, rest in {
        "kafka": 20,
        "mongo": 20,
        "sender": 15,
        "conversation": 15,
        "ingress": 4,
        "accounts": 4,
    }.items():
        hits = [fault for fault in faults if fault.party == party]
        assert all(then.at_s >= before.end_s + rest for before, then in pairwise(hits))
    names = {fault.target for fault in faults}
    assert names <= {
        *("ingress", "ingress-2", "conversation", "conversation-2", "sender", "sender-2", "accounts", "ai_responder"),
        *("emulator", "meta", "mongo-primary", "kafka-1"),
        *OUTAGES,
        *(("kafka-2", "kafka-3") if kafka == 3 else ()),
        *(("mongo-secondary",) if mongo == 3 else ()),
    }


def test_a_long_plan_has_every_kind():
    faults = plan(7, 120, PROFILE)
    kinds = {(fault.kind, fault.party) for fault in faults}
    assert {(kind, "meta") for kind in STORMS} <= kinds
    assert {("kill", "kafka"), ("pause", "kafka"), ("stop", "kafka"), ("kill", "mongo"), ("pause", "mongo")} <= kinds
    assert {("scale", "sender"), ("pause", "conversation"), ("pause", "emulator"), ("kill", "ai_responder")} <= kinds


@pytest.mark.parametrize("seed", range(10))
def test_a_long_run_has_each_outage_of_the_way_back_once_and_one_at_a_time(seed):
    outages = [fault for fault in plan(seed, 120, PROFILE) if fault.kind == "outage"]
    assert sorted(fault.target for fault in outages) == sorted(OUTAGES)
    assert all(fault.seconds > WINDOW_SECONDS for fault in outages)
    assert all(before.end_s < then.at_s for before, then in pairwise(outages))


def test_a_short_run_has_one_outage_that_costs_it_little():
    outages = [fault for fault in plan(243, 18, PROFILE) if fault.kind == "outage"]
    assert [(fault.target, fault.number) for fault in outages] == [("conversation", 1)]
    assert not any(fault.kind == "outage" for fault in plan(3, 18, replace(PROFILE, kinds=frozenset({"kill"}))))
    alone = plan(3, 5, replace(PROFILE, kinds=frozenset({"outage"})))
    assert {fault.target for fault in alone} == set(OUTAGES)
    chosen = plan(3, 4, replace(PROFILE, kinds=frozenset({"outage:kafka"})))
    assert {fault.target for fault in chosen} == {"kafka"}


def test_kinds_can_be_chosen():
    chosen = plan(1, 20, replace(PROFILE, kinds=frozenset({"kill:sender", "storm:reset"})))
    assert {(fault.kind, fault.party) for fault in chosen} == {("kill", "sender"), ("reset", "meta")}
    with pytest.raises(ValueError, match="no fault"):
        plan(1, 20, replace(PROFILE, kinds=frozenset({"rain"})))


def perfect(customers=3, messages=4):
    asked = [Asked(f"p{c}", f"w{c}.{n}", n * customers + c, 0) for n in range(messages) for c in range(customers)]
    directs = [Direct(f"d{n}", "q", n) for n in range(3)]
    journals = {f"j{a.wamid}" for a in asked} | {f"j{d.message_id}" for d in directs}
    return Facts(
        asked=asked,
        events=[Event(a.wamid, f"e{a.wamid}", a.phone, "t/0/1") for a in asked],
        replies=[Reply(a.phone, a.wamid, f"r{a.wamid}", 0, f"j{a.wamid}") for a in asked],
        directs=directs,
        directs_received=[DirectReceived(d.message_id, d.phone, 0) for d in directs],
        requested=journals,
        ended=dict.fromkeys(journals, "send.accepted"),
        statuses=dict.fromkeys(journals, "read"),
    )


def test_a_perfect_run_is_ok():
    verdict = judge(perfect())
    assert (verdict.ok, verdict.messages) == (True, 15)
    assert (verdict.lost, verdict.doubled, verdict.out_of_order, verdict.unsettled) == (0, 0, 0, 0)


@given(
    st.sampled_from(["events", "replies", "directs_received"]),
    st.sampled_from(["drop", "double", "swap"]),
    st.integers(0, 100),
)
def test_each_single_breach_is_found(what, how, index):
    facts = perfect(customers=1)
    found = list(getattr(facts, what))
    index %= len(found) - 1
    if how == "drop":
        del found[index]
    elif how == "double":
        found.append(found[index])
    else:
        found[index], found[index + 1] = found[index + 1], found[index]
    setattr(facts, what, found)
    verdict = judge(facts)
    counts = {"drop": verdict.lost, "double": verdict.doubled, "swap": verdict.out_of_order}
    assert counts.pop(how) == 1
    assert set(counts.values()) == {0}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda f: f.ended.popitem(), "unsettled sends"),
        (lambda f: f.ended.update(jd0="send.failed"), "unsettled failures"),
        (lambda f: f.statuses.update(jd0="sent"), "unsettled statuses"),
        (lambda f: setattr(f, "secrets_in_logs", ["sender: EAA"]), "secrets in logs"),
        (lambda f: setattr(f, "halts", ["sender: halted"]), "halted consumers"),
    ],
)
def test_what_does_not_end_well_is_a_breach(change, name):
    facts = perfect()
    change(facts)
    verdict = judge(facts)
    assert not verdict.ok
    assert verdict.breaches[name].count == 1


def call(send, at, *, code=None, took=10, **more):
    return {"callbackData": send, "atMs": at, "tookMs": took} | ({"code": code} if code else {"wamid": "w"}) | more


def test_lateness_is_from_the_end_of_a_failure_to_the_start_of_the_next_call():
    calls = [
        call("a", 1_000, code=131000),
        call("a", 3_030, code=2),
        call("b", 3_035),
        call("a", 7_100),
        call("c", 0, code=130429),
        call("c", 9_000),
        call("d", 0, code=131016),
        call("d", 500),
        {"atMs": 5},
    ]
    late = lateness(calls, [(4_000, 4_500)])
    assert [(each.delay_ms, each.late_ms, each.quiet) for each in late] == [(2_000, 20, True), (4_000, 60, False)]
    found = summary(late)
    assert (found.count, found.most) == (2, 60)
    assert summary([]).count == 0


def test_the_report_ends_with_the_verdict_in_one_line():
    facts = perfect()
    facts.replies = facts.replies[1:]
    run = Run("t", {"kill: sender": 2}, {}, {"send.accepted": 1}, judge(facts), [], {"kill: sender": [1.0]}, {"all": 3})
    assert as_text(run).splitlines()[-1] == last_line(run)
    assert (
        last_line(run) == "chaos: 2 faults, 15 messages, 1 lost, 0 doubled, 0 out of order, 0 unsettled, nothing halted"
    )
    assert as_json(run)["ok"] is False
    assert "w0.0" in as_text(run)


def test_secrets_are_named_without_being_shown():
    (found,) = secrets_in({"sender": "… EAAfake-token-1 …", "ingress": "fine"}, ["EAAfake-token-1", ""])
    assert found == "sender: EAAfak…"


def test_a_halt_is_found_in_the_logs_and_said_in_the_last_line():
    lines = [
        '{"level": "critical", "message": "halted", "slot": "send/0"}',
        '{"level": "critical", "message": "halted: leaving the group for a while"}',
        '{"level": "info", "message": "nothing was halted"}',
        "Traceback: halted",
    ]
    found = halts_in({"sender": "\n".join(lines), "ingress": ""})
    assert [halt.partition(":")[0] for halt in found] == ["sender", "sender"]
    facts = perfect()
    facts.halts = found
    assert last_line(Run("t", {}, {}, {}, judge(facts), [], {}, {})).endswith("0 unsettled, 2 halted")


def test_a_hostile_tenant_attacks_unless_it_is_switched_off_or_the_build_is_broken():
    assert options_of(arguments([])).attacker
    assert not options_of(arguments(["--no-attacker"])).attacker
    assert not options_of(arguments(["--build", "lanes_off"])).attacker


def test_the_command_line_has_the_builds_and_kinds():
    options = options_of(arguments(["--faults", "3", "--kinds", "kill,storm", "--build", "lanes_off"]))
    assert (options.faults, options.kinds, options.build) == (3, frozenset({"kill", "storm"}), "lanes_off")
    assert {build.service for build in BUILDS.values() if build.breach} == {"sender", "conversation"}
    assert options_of(arguments(["--build", "origin_off"])).kinds == {"storm:duplicate"}
    assert command("lanes_off")["sender"][-2:] == ["lanes_off", "sender"]


@pytest.mark.parametrize("missed", [None, "unstable_reads"])
def test_each_build_that_breaks_a_promise_has_to_be_found(monkeypatch, capsys, missed):
    ran = []

    def chaos(argv):
        ran.append(options_of(arguments(argv)).build)
        return int(ran[-1] != missed)  # 1 says that a promise was broken

    monkeypatch.setattr(check_broken_builds, "chaos", chaos)
    monkeypatch.setattr(sys, "argv", ["check_broken_builds"])
    assert check_broken_builds.main() == (0 if missed is None else 1)
    assert set(ran) == set(BUILDS) - {"uncommitted"}
    assert (
        f"8 broken builds, {'0 not found' if missed is None else '1 not found unstable_reads'}"
        in capsys.readouterr().out
    )


def test_a_rolling_update_may_begin_with_another_release_and_ends_with_this_one(monkeypatch, tmp_path):
    given = ["--rolling", "--before", str(tmp_path)]
    assert options_of(arguments(given)).before == tmp_path
    old = {service: [str(tmp_path / ".venv/bin/python"), "-m", service] for service in rolling.SPARES}
    assert rolling.commands_of(tmp_path) == old
    spawned = []
    system = SimpleNamespace(
        names=lambda service: names_of(service, rolling.SPARES),
        spawn=lambda name, made: spawned.append((name, made)),
        wait_ready=lambda *_: None,
        terminate=lambda *_: 0,
    )
    monkeypatch.setattr(rolling, "_SETTLE_SECONDS", 0.0)

    async def midway():
        spawned.append(("midway", None))

    asyncio.run(rolling.replace_all(system, lambda _: None, midway))
    assert [name for name, _ in spawned].index("midway") == 4  # beside an old process of conversation and a new one
    spawned.remove(("midway", None))
    assert [name for name, _ in spawned] == [
        name
        for service in rolling.SPARES
        for name in (rolling.spare_of(service), *names_of(service, rolling.SPARES)[:-1])
    ]
    assert all(made == [sys.executable, "-m", name.split("-")[0]] for name, made in spawned)


def test_a_rolling_update_fails_if_stored_data_are_not_as_they_should_be():
    evolved = Evolved(written=3, told=["wa migrate apply: message-times: 3 documents of messages changed"])
    rolled = rolling.Rolled([], 0, 0, 0.0, evolved=evolved)
    outcome = Outcome(Facts([], [], [], [], [], set(), {}, {}), {}, {}, [], {}, [], Counter(), rolled=rolled)
    assert outcome.ok
    evolved.failures.append("3 messages have no time")
    assert not outcome.ok
