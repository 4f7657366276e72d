"""The suite's own rules: a table that has every case, a judge that finds each kind of harm, a watch that reads rightly."""

import json
import uuid
from collections import Counter

import pytest

from common.contracts.ids import journal_id
from hostile.attacks import ALL, Done
from hostile.crosstenant.claims import COMPUTED, COPIED, STATES, Known, Target, callback_of, targets, wamid_of
from hostile.crosstenant.statuses import judged
from hostile.crosstenant.ways import Way, problem_with
from hostile.edges.inputs import every, methods
from hostile.edges.probing import is_broken
from hostile.good import percentile
from hostile.machine import Seen, established, failures_in, kib_of
from hostile.payloads import STATUSES, UNSTORABLE, public_journal_id, wrong_fields
from hostile.report import Row, as_json, as_text
from hostile.tenants import Answer

OWN = str(uuid.uuid4())
KNOWN = Known("bob-bot", f"wce:{OWN}.digest", OWN, callback="wce:theirs.digest", wamid="wamid.theirs")


def test_the_public_id_is_the_one_of_a_send():
    assert public_journal_id("bot|1", "a:é") == journal_id("bot|1", "a:é")


def test_the_table_has_every_state_with_every_forgery_and_status():
    every_target = targets("t")
    assert {(one.state, one.forgery) for one in every_target} >= {
        (state, forgery) for state in STATES for forgery in COMPUTED
    }
    for forgery, states in {
        "computed": STATES,
        "copied": ("accepted", "in_doubt"),
        "wamid": ("accepted", "in_doubt"),
    }.items():
        found = {(one.state, one.word) for one in every_target if one.forgery == forgery}
        assert found == {(state, word) for state in states for word in STATUSES}
    for field in ("name", "message_id", "phone"):
        assert len({getattr(one, field) for one in every_target}) == len(every_target)


@pytest.mark.parametrize("forgery", [*COMPUTED, *COPIED])
def test_each_forgery_names_the_victims_send_and_no_two_alike(forgery):
    target = Target("accepted", forgery, "read", "m", "49")
    callback, wamid = callback_of(target, KNOWN), wamid_of(target, KNOWN)
    journal = public_journal_id("bob-bot", "m").replace("-", "")
    named = "theirs" in f"{callback}{wamid}" or journal in (callback or "").replace("-", "").lower()
    assert named
    assert OWN not in (callback or "")


VIEW = {"deliveryStatus": "sent", "wamid": "w"}
ENTRY = {"wamid": "w"}


@pytest.mark.parametrize(
    ("state", "after", "received", "held"),
    [
        ("accepted", VIEW, [ENTRY], True),
        ("accepted", {**VIEW, "deliveryStatus": "read"}, [ENTRY], False),
        ("accepted", {**VIEW, "statuses": []}, [ENTRY], False),
        ("retrying", {**VIEW, "deliveryStatus": "read"}, [ENTRY], True),
        ("retrying", {**VIEW, "deliveryStatus": "read"}, [], False),
        ("retrying", {"deliveryStatus": "read", "wamid": "forged"}, [ENTRY], False),
        ("in_doubt", {**VIEW, "deliveryStatus": "read"}, [ENTRY, ENTRY], True),
        ("in_doubt", {**VIEW, "deliveryStatus": "read"}, [ENTRY], False),
        ("failed", VIEW, [], False),
        ("before", {"deliveryStatus": "read", "wamid": "w"}, [ENTRY, ENTRY], False),
    ],
)
def test_a_send_is_judged_by_its_record_and_its_phone(state, after, received, held):
    target = Target(state, "computed", "read", "m", "49")
    assert judged(target, VIEW, after, received).held is held


def test_an_answer_is_judged_by_its_status_its_words_and_its_items():
    way = Way("w", "GET", "/x")
    assert problem_with(way, 404, {}, "", ("secret",)) == ""
    assert problem_with(way, 200, {}, "", ("secret",))
    assert problem_with(way, 404, {}, "a secret", ("secret",))
    batch = Way("b", "POST", "/x", expect=frozenset({200}), inner=frozenset({"forbidden"}))
    refused, taken = {"error": {"code": "forbidden"}}, {"messageId": "m"}
    assert problem_with(batch, 200, {"data": {"results": [refused]}}, "", ()) == ""
    assert "taken" in problem_with(batch, 200, {"data": {"results": [refused, taken]}}, "", ())


def test_what_proc_and_metrics_say():
    assert kib_of("VmPeak:\t 9 kB\nVmHWM:\t  1234 kB\n", "VmHWM") == 1234
    assert kib_of("", "VmHWM") == 0
    head = "  sl  local_address rem_address   st\n"
    lines = "   0: 0100007F:1F90 0100007F:D2F0 01\n   1: 0100007F:1F90 00000000:0000 0A\n   2: 0100007F:0050 0100007F:1F90 01\n"
    assert established(head + lines, [8080, 9]) == {8080: 1, 9: 0}
    metrics = 'whatsapp_session_failures_total{group="g",reason="halted"} 2.0\nwhatsapp_session_failures_total{group="h",reason="error"} 1.0\n'
    assert failures_in(metrics) == Counter(halted=2, error=1)


def test_percentiles_are_of_what_was_measured():
    assert [percentile([4, 1, 3, 2], share) for share in (0.5, 0.99)] == [3, 4]
    assert percentile([], 0.5) == 0


@pytest.mark.parametrize(
    ("status", "text", "broken"),
    [
        (500, "", True),
        (0, "", True),
        (503, "", False),
        (400, "", False),
        (502, '{"success":false,"error":{"code":"refused_by_meta"}}', False),
        (502, '{"success":false,"error":{"code":"bad_gateway"}}', True),
    ],
)
def test_which_answers_are_failures(status, text, broken):
    assert is_broken(Answer(status, text)) is broken


def test_probes_have_names_of_their_own_and_reach_every_route():
    probes = every("bot", "conversation", "spare")
    assert len(probes) > 1_000
    paths = {probe.path.partition("?")[0] for probe in probes}
    assert {
        "/send",
        "/send/batch",
        "/account",
        "/media",
        "/webhook",
        "/conversations",
        "/usage",
        "/usage/summary",
        "/webhook-events",
    } <= paths
    assert all(isinstance(probe.body, bytes | None) for probe in probes)
    assert {probe.method for probe in methods("bot")} == {"PUT", "PATCH", "TRACE", "PROPFIND"}


def test_payloads_are_what_they_say():
    for metadata in UNSTORABLE.values():
        assert json.loads(json.dumps(metadata)) == metadata
    batch = json.loads(wrong_fields(3, 5, "bot"))
    assert [len(one) for one in batch["messages"]] == [7, 7, 7]
    assert len({attack.name for attack in ALL}) == len(ALL)


TIMES = {"count": 5, "p50": 1.0, "p99": 2.0, "max": 3.0, "refused": 0, "givenUp": 0}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"done": Done(1, "", harm=1)}, "harm"),
        ({"lost": 2}, "lost 2"),
        ({"webhooks": {**TIMES, "givenUp": 1}}, "webhooks not taken"),
        ({"sends": {**TIMES, "max": 6_000.0}}, "a send took 6.0 s"),
        ({"answers": {500: 1}}, "5xx"),
        ({"seen": Seen(failures={"halted": 1})}, "halted"),
        ({"seen": Seen(not_ready=["sender"])}, "not ready: sender"),
        ({"seen": Seen(ended=["ingress"])}, "ended: ingress"),
        ({"seen": Seen(peak_mib={"sender": 401.0})}, "sender used 401 MiB"),
    ],
)
def test_each_kind_of_harm_is_reported(change, word):
    fine = {
        "name": "a",
        "seconds": 1.0,
        "done": Done(1, ""),
        "webhooks": TIMES,
        "sends": TIMES,
        "lost": 0,
        "answers": {200: 1, 503: 2},
        "seen": Seen(),
    }
    assert Row(**fine).broken == []
    row = Row(**{**fine, **change})
    (told,) = row.broken
    assert word in told
    assert told in as_text([row])
    assert as_json([row])[0]["broken"] == [told]
