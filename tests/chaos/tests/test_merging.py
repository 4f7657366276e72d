"""The merge of the fault suite: what is put in place, and that a walk through the thread notices each thing that is wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from chaos.__main__ import arguments, options_of
from chaos.evidence.verdict import Facts, judge
from chaos.merging.seeds import conversation_by_phone, number_of, parts, seeds_of
from chaos.merging.walk import Merged, Walk

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
USER, PHONE = seeds_of(12)
LIKE = {"_id": "m", "wamid": "w", "phoneNumberId": "1", "raw": "{}", "text": "hi", "statuses": []}


def shown(seed, number):
    """A message as the read API shows it."""
    document = seed.document(LIKE, "c", "quokka", BEGAN, number)
    return {"id": document["_id"], "text": document["text"], "timestamp": document["timestamp"].isoformat()}


def thread(*seeds):
    """Both conversations in one order, newest first."""
    found = [
        (shown(seed, number), seed.document(LIKE, "c", "q", BEGAN, number))
        for seed in seeds
        for number in range(seed.count)
    ]
    found.sort(key=lambda both: (both[1]["timestamp"], both[1]["place"], both[1]["_id"]), reverse=True)
    return [message for message, _ in found]


def walked(messages, whole="up"):
    merged = Merged(12)
    walk = Walk("walk 1", (USER, PHONE), whole, "quokka")
    for start in range(0, len(messages), 4):
        walk.see(messages[start : start + 4])
    walk.end(merged)
    return merged, walk


def test_the_two_conversations_have_their_messages_in_the_same_time():
    assert (USER.count, PHONE.count) == (3, 12)
    times = {
        seed: [seed.document(LIKE, "c", "q", BEGAN, n)["timestamp"] for n in range(seed.count)]
        for seed in (USER, PHONE)
    }
    assert times[PHONE][:4] == [BEGAN, BEGAN, BEGAN, BEGAN + timedelta(seconds=1)]
    assert times[USER] == [BEGAN, BEGAN + timedelta(seconds=1), BEGAN + timedelta(seconds=2)]
    assert PHONE.document(LIKE, "c", "q", BEGAN, 3) == {
        **LIKE, "_id": "merging-p-3", "wamid": "wamid.merging-p-3", "conversationId": "c", "text": "q p 3", "place": 4,
        "timestamp": times[PHONE][3], "createdAt": times[PHONE][3], "origin": "merging-p-3",
    }  # fmt: skip
    assert number_of("merging-p-3") == ("p", 3)
    assert number_of("9f0c") is None
    assert [list(part) for part in parts(5, 2)] == [[0, 1], [2, 3], [4]]


def test_the_second_conversation_knows_the_phone_number_alone():
    first = {
        "_id": "c",
        "phoneNumberId": "1",
        "chatbotId": "b",
        "aliases": ["1|u:DE.1"],
        "contact": {"userId": "DE.1", "name": "A"},
    }
    other = conversation_by_phone(first, "4917", 12, BEGAN)
    assert (other["aliases"], other["contact"]) == (["1|p:4917"], {"waId": "4917", "name": "A"})
    assert (other["inboundCount"], other["lastPlace"], other["chatbotId"]) == (12, 12, "b")
    assert other["_id"] != "c"


def test_a_whole_walk_is_in_order():
    merged, _ = walked(thread(USER, PHONE))
    assert (merged.lost, merged.doubled, merged.swapped, merged.walks, merged.walked) == ([], [], [], 1, 15)


def test_before_the_merge_a_walk_has_to_see_its_own_conversation_alone():
    assert walked(thread(PHONE), "p")[0].lost == []
    assert walked(thread(PHONE), "up")[0].lost == ["walk 1: 3 missing, like u 0, u 1, u 2"]
    late = [message for message in thread(USER, PHONE) if number_of(message["id"]) not in {("p", 11), ("p", 10)}]
    assert walked(late, "u")[0] == Merged(12, walks=1, walked=13)


@pytest.mark.parametrize(
    ("wrong", "kind", "told"),
    [
        (lambda seen: seen[:5] + seen[6:], "lost", "walk 1: 1 missing"),
        (lambda seen: seen[:8], "lost", "walk 1: 7 missing"),
        (lambda seen: [*seen[:5], {**seen[5], "text": "another"}, *seen[6:]], "lost", "walk 1: 1 changed"),
        (lambda seen: [*seen[:6], seen[5], *seen[6:]], "doubled", "walk 1: 1 doubled"),
        (lambda seen: [seen[-1], *seen[:-1]], "swapped", "walk 1: "),
        (lambda seen: [seen[1], seen[0], *seen[2:]], "swapped", "walk 1: 1 out of order"),
    ],
)  # fmt: skip
def test_a_walk_notices_what_is_wrong(wrong, kind, told):
    merged, _ = walked(wrong(thread(USER, PHONE)))
    (line,) = getattr(merged, kind)
    assert line.startswith(told)


def test_what_came_through_the_services_is_known_by_its_wamid_and_comes_once():
    own = {"id": "9f0c", "wamid": "wamid.X", "timestamp": "2026-11-30T00:00:00Z"}
    merged, walk = walked([own, own, *thread(USER, PHONE)])
    assert walk.wamids == {"wamid.X"}
    assert merged.doubled == ["walk 1: 1 doubled, like 9f0c"]


def test_a_run_with_a_broken_thread_fails():
    facts = Facts([], [], [], [], [], set(), {}, {}, merged=Merged(12))
    assert judge(facts).ok
    for name, kind in {
        "lost": "lost",
        "doubled": "doubled",
        "swapped": "out_of_order",
        "unfinished": "unsettled",
    }.items():
        verdict = judge(Facts([], [], [], [], [], set(), {}, {}, merged=Merged(12, **{name: ["walk 1: 1 x"]})))
        assert getattr(verdict, kind) == 1
        assert not verdict.ok


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ([], 5_000),
        (["--merge", "0"], 0),
        (["--merge", "1000000"], 1_000_000),
        (["--rolling"], 0),
        (["--build", "lanes_off"], 0),
        (["--build", "thread_of_one"], 5_000),
    ],
)
def test_a_run_merges_unless_it_is_about_something_else(given, messages):
    assert options_of(arguments(given)).merge == messages
