"""One person under several names: one lane and one pace, as far as Meta has told, and no order is broken by the news."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sender_session import ParkStore

from common.contracts.contacts import Contact
from common.meta.client import Answered
from sender.delivery.core import Rules, after
from sender.dispatch.aliases import LaneAliases
from sender.dispatch.items import item_of
from sender.dispatch.lanes import Lanes
from sender.dispatch.model import Bounds, Item
from sender.journal.store import RecentTimes
from sender.limits.numbers import RateLimits
from sender.limits.rates import PAIR_BURST, PAIR_SECONDS, Pairs
from sender.limits.recipients import Persons
from sender.outcomes import Sent
from sender.records.job import Position, lane_of, lane_today
from sender.records.parsing import read_record
from sender.waiting.parking import Parking, ParkingWriters

PHONE, OTHER, USER = "+4915112345678", "+4915112345679", "DE.1349"
GROUP = "Y2FwaV9ncm91cDoxNTU1MDAwMDAwMQZD"
A, B = "bot|p:4915112345678", "bot|u:DE.1349"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("+5511987654321", "551187654321"),
        ("+52 55 1234 5678", "+5215512345678"),
        ("+54 11 2345-6789", "5491123456789"),
        ("+54 11 15 2345-6789", "+541123456789"),
        ("0049 (0)151 12345678", PHONE),
    ],
)
def test_all_notations_of_a_number_are_one_lane(first, second):
    assert lane_of("bot", first) == lane_of("bot", second)


def test_other_people_groups_and_bots_have_lanes_of_their_own():
    names = [
        lane_of(bot, to) for bot in ("bot", "bot2") for to in (PHONE, OTHER, USER, GROUP, "nobody", "+551134567890")
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("bot|p:5215512345678", lane_of("bot", "+525512345678")),
        (A, A),
        (B, B),
        ("bot|nobody", "bot|nobody"),
        ("bot|g:p:1", "bot|g:p:1"),
    ],
)
def test_a_lane_of_an_earlier_version_is_found_under_the_name_that_it_has_now(before, now):
    assert lane_today(before) == now


def answered(contact, message=None):
    body = {"contacts": [contact], "messages": [{"id": "wamid.1", **(message or {})}]}

    rules = Rules(in_doubt_seconds=30, in_doubt_resend=True, pause_seconds=1, pause_cap_seconds=1)
    end = Answered(200, json.dumps(body).encode())
    return after(end, attempt=1, repeatable=False, strikes=0, now=datetime.now(UTC), rules=rules)


@pytest.mark.parametrize(
    ("contact", "message", "found"),
    [
        ({"input": PHONE, "wa_id": "491511"}, None, Contact(wa_id="491511")),
        ({"input": USER, "user_id": USER}, None, Contact(user_id=USER)),
        ({"input": GROUP, "wa_id": GROUP}, None, Contact(group_id=GROUP)),
        ({"input": GROUP}, {"group_id": GROUP}, Contact(group_id=GROUP)),
        ({"input": GROUP, "wa_id": "49151"}, {"group_id": GROUP}, Contact(group_id=GROUP)),
    ],
)
def test_a_group_is_not_taken_for_a_phone(contact, message, found):
    assert answered(contact, message) == Sent("wamid.1", found)


def test_what_meta_answers_joins_the_number_that_was_asked_for_with_its_own():
    persons = Persons()
    assert persons.learn("bot", "+1 415 555 2671", Contact(wa_id="14155550000")) == [
        (lane_of("bot", "+14155552671"), lane_of("bot", "14155550000"))
    ]
    assert persons.name_of(lane_of("bot", "+14155552671")) == lane_of("bot", "+14155550000")
    assert persons.learn("bot", "+1 415 555 2671", Contact(wa_id="14155550000")) == []
    assert persons.name_of(lane_of("bot2", "+14155552671")) == lane_of("bot2", "+14155552671")


@pytest.mark.parametrize("to", [PHONE, USER, None])
def test_a_contact_with_both_joins_the_bsuid_with_the_phone(to):
    persons = Persons()
    persons.learn("bot", to, Contact(user_id=USER, wa_id="4915112345678"))
    assert persons.name_of(B) == persons.name_of(A) == A


@pytest.mark.parametrize(
    "contact",
    [
        None,
        Contact(),
        Contact(user_id=USER),
        Contact(wa_id="4915112345678"),
        Contact(group_id=GROUP, user_id=USER, wa_id="49151"),
    ],
)
def test_a_contact_with_one_name_or_of_a_group_is_no_news(contact):
    persons = Persons()
    assert persons.learn("bot", None, contact) == []
    assert persons.learn("bot", GROUP, Contact(group_id=GROUP)) == []
    assert persons.name_of(B) == B


def test_a_number_that_is_given_to_another_person_is_theirs():
    persons = Persons()
    persons.learn("bot", None, Contact(user_id=USER, wa_id="4915112345678"))
    persons.learn("bot", None, Contact(user_id="DE.2", wa_id="4915112345678"))
    assert persons.name_of("bot|u:DE.2") == A
    assert persons.name_of(B) == B
    persons.learn("bot", None, Contact(user_id="DE.2", wa_id="4915112345679"))
    assert persons.name_of("bot|u:DE.2") == lane_of("bot", OTHER)


def test_a_chain_of_names_leads_to_its_end_however_long_it_is():
    persons = Persons()
    wa_ids = [f"49151{n}000000" for n in range(6)]
    for name, next_name in pairwise(wa_ids):
        persons.learn("bot", next_name, Contact(wa_id=name))
    assert {persons.name_of(lane_of("bot", name)) for name in wa_ids} == {lane_of("bot", wa_ids[0])}


_wa_ids = st.sampled_from([f"49151{n}000000" for n in range(4)])
_users = st.sampled_from([f"DE.{n}" for n in range(4)])


@given(st.lists(st.tuples(st.none() | _wa_ids | _users, st.none() | _users, st.none() | _wa_ids), max_size=40))
def test_names_lead_to_one_end_and_a_phone_has_one_bsuid_however_often_meta_changes_its_mind(meetings):
    persons = Persons(most=5)
    names = {lane_of("bot", to) for meeting in meetings for to in meeting if to}
    for to, user, wa_id in meetings:
        persons.learn("bot", to, Contact(user_id=user, wa_id=wa_id))
        assert len(persons._known_as) <= 5
        assert len(persons._user_of) <= 5
        assert all(persons.name_of(persons.name_of(name)) == persons.name_of(name) for name in names)
        users = [name for name in persons._known_as if "|u:" in name]
        assert len({persons._known_as[name] for name in users}) == len(users)


def item(send, name, order, **more):
    return Item(
        id=send, lane=name, tenant="bot", order=order, attempt=0, partition="send", offset=order, payload=send, **more
    )


class World:
    """Lanes of a bot, and what is known of its customers."""

    def __init__(self, bounds=None):
        self.known = {}
        self.lanes = Lanes(bounds, name_of=lambda name: self.known.get(name, name))

    def comes(self, send, name, order, **more):
        one = item(send, name, order, **more)
        if not self.lanes.arrivals.park(one):
            self.lanes.arrivals.offer(one)
        return one

    def goes(self):
        return self.lanes.take(0.0)


def test_names_of_one_person_share_a_lane_once_it_is_known():
    world = World()
    world.known[B] = A
    world.comes("1", A, 1)
    second = world.comes("2", B, 2)
    assert (second.lane, second.named) == (A, B)
    first = world.goes()
    assert (first.id, world.goes()) == ("1", None)
    world.lanes.finish(first)
    assert world.goes().id == "2"


def test_a_name_with_sends_under_way_keeps_its_lane_until_they_have_ended():
    world = World()
    world.comes("1", B, 1)
    first = world.goes()
    world.known[B] = A
    assert world.comes("2", B, 2).lane == B
    assert world.goes() is None  # it waits for the first
    world.lanes.finish(first)
    second = world.goes()
    assert second.id == "2"
    world.lanes.expect(second, 1)  # a retry will come: neither is that an end
    assert world.comes("3", B, 3).lane == B
    retry = Item(**{**vars_of(second), "attempt": 1, "lane": B})
    world.lanes.arrivals.offer(retry)
    for send in ("2", "3"):
        one = world.goes()
        assert one.id == send
        world.lanes.finish(one)
    assert world.comes("4", B, 4).lane == A


def vars_of(one):
    return {name: getattr(one, name) for name in one.__slots__}


def test_a_name_stays_in_the_lane_it_has_gone_into_when_the_news_is_forgotten():
    world = World()
    world.known[B] = A
    world.comes("1", B, 1)
    first = world.goes()
    world.known.clear()
    assert world.comes("2", B, 2).lane == A
    assert world.goes() is None
    world.lanes.finish(first)
    second = world.goes()
    world.lanes.finish(second)
    assert world.comes("3", B, 3).lane == B


def test_no_name_changes_its_lane_while_its_bot_has_a_backlog():
    alive, backlogged = set(), {"bot"}
    aliases = LaneAliases(lambda name: A if name == B else name, alive, backlogged)
    assert aliases.lane_of(B, "bot") == B  # the backlog may have a send to it
    backlogged.clear()
    assert aliases.lane_of(B, "bot") == A
    alive.add(A)
    backlogged.add("bot")
    aliases.lane_emptied(A)  # of what is in memory: the backlog may have some of both names
    alive.clear()
    aliases._name_of = lambda name: name
    assert aliases.lane_of(B, "bot") == A
    aliases.backlog_ended("bot")
    assert aliases.lane_of(B, "bot") == A  # it has not
    backlogged.clear()
    aliases.backlog_ended("other")
    assert aliases.lane_of(B, "bot") == A
    aliases.backlog_ended("bot")
    assert aliases.lane_of(B, "bot") == B
    assert not aliases._names


def test_a_send_without_room_is_parked_under_the_name_of_its_lane_and_its_own():
    world = World(Bounds(lane=1, tenant=2, total=2))
    world.known[B] = A
    world.comes("1", A, 1)
    parked = item("2", B, 2)
    assert world.lanes.arrivals.park(parked)
    assert (parked.lane, parked.named) == (A, B)


def paces(pairs):
    return RateLimits(lambda _: "", {"": 1.0}, rate=80, max_running=10, pairs=pairs)


def test_one_person_has_one_pair_limit_under_all_names():
    known = paces(Pairs())
    for _ in range(PAIR_BURST - 1):
        known.sent(A, 100.0)
    known.sent(B, 100.0)
    assert known.pair_ready_at(A, 100.0, campaign=True) == known.pair_ready_at(B, 100.0, campaign=True) == 100.0
    known.learn_contact("bot", PHONE, Contact(user_id=USER, wa_id="4915112345678"))
    later = 100.0 + PAIR_BURST * PAIR_SECONDS
    assert known.pair_ready_at(A, 100.0, campaign=True) == known.pair_ready_at(B, 100.0, campaign=True) == later
    known.sent(B, later)
    assert known.pair_ready_at(A, later + PAIR_SECONDS + 1, campaign=True) == later + PAIR_SECONDS + 1


def test_a_burst_that_was_paid_for_is_not_counted_again():
    pairs = Pairs()
    pairs.sent(A, 0.0)
    pairs.sent(B, 1_000.0)
    pairs.join(B, A)
    assert pairs.ready_at(A, 1_006.0, campaign=True) == 1_006.0
    pairs.join("unknown", A)
    pairs.join(A, "new")
    assert pairs.ready_at("new", 1_007.0, campaign=True) == 1_007.0


def test_who_takes_a_number_over_learns_its_persons_from_the_journal():
    at = [datetime.fromtimestamp(1_000 + n / 10, UTC) for n in range(PAIR_BURST)]
    known = paces(Pairs())
    person = Contact(user_id=USER, wa_id="525512345678")
    known.learn(
        [
            RecentTimes("bot", "+5215512345678", at[0::3]),
            RecentTimes("bot", "+525512345678", at[1::3]),
            RecentTimes("bot", USER, at[2::3], person),
        ],
        1_050.0,
    )
    assert known.persons.name_of(B) == lane_of("bot", "+5215512345678")
    assert known.pair_ready_at(B, 1_050.0, campaign=True) == 1_000.0 + PAIR_BURST * PAIR_SECONDS


def job_item(to, order):
    value = json.dumps({"chatbotId": "bot", "to": to, "message": "hi", "messageId": f"m{order}"}).encode()
    job = read_record(Position("whatsapp-cloud-send", 0, order), value, {}, retried=False)
    return item_of(job, order=order, partition="send", due=0.0)


async def test_a_new_session_knows_where_the_parked_sends_to_a_name_are():
    store = ParkStore([])
    parker = ParkingWriters(store)
    first = Parking(parker, Lanes(Bounds(lane=1), name_of=lambda name: A if name == B else name), 0)
    sends = [job_item(PHONE, 1), job_item(USER, 2), job_item(USER, 3)]
    first._lanes.arrivals.offer(sends[0])
    assert [first._lanes.arrivals.park(one) for one in sends[1:]] == [True, True]
    await first.park(sends[1:])
    assert {send.named for send in store.sends.values()} == {B}

    lanes = Lanes()  # another process, which has not heard of the two names
    second = Parking(parker, lanes, 0)
    await second.begin()
    lanes.loading.caught_up()
    later = job_item(USER, 4)
    assert lanes.arrivals.park(later)  # behind the others
    assert (later.lane, later.named) == (A, B)
    await parker.close()


async def test_what_an_earlier_version_parked_under_another_notation_stays_before_what_comes():
    store = ParkStore([])
    parker = ParkingWriters(store)
    before = Parking(parker, Lanes(), 0)
    old = job_item("+5215512345678", 1)
    old.lane = "bot|p:5215512345678"
    before._lanes.overflow.restore_tail(old.lane, "bot", 0.0)
    assert before._lanes.arrivals.park(old)
    await before.park([old])

    lanes = Lanes()
    await Parking(parker, lanes, 0).begin()
    later = job_item("+5215512345678", 2)
    assert lanes.arrivals.park(later)
    assert later.lane == old.lane
    await parker.close()
