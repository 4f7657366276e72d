"""Which chatbot a number belongs to, as accounts come, change and go; without Kafka."""

import itertools

import pytest

from common.contracts.accounts import ACTIVE, DEACTIVATED, AccountData
from common.contracts.topics import ACCOUNTS
from common.kafka.settings import KafkaSettings
from conversation.chatbot_directory import ChatbotDirectory


def account(chatbot, number="1", *, active=True, revision=1):
    return AccountData(
        chatbot_id=chatbot, phone_number_id=number, status=ACTIVE if active else DEACTIVATED, revision=revision
    )


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


class Room:
    """`coming` is read when the table catches up, which is counted."""

    def __init__(self):
        self.clock, self.coming, self.asked, self.reachable = Clock(), [], 0, True
        self.numbers = ChatbotDirectory(KafkaSettings(), now=self.clock)
        self.numbers.table.catch_up = self.catch_up

    async def catch_up(self, seconds):
        assert 0 < seconds < 5
        self.asked += 1
        if self.reachable:
            for one in self.coming:
                self.numbers.changed(one.chatbot_id, one)
        return self.reachable

    async def owner(self, number="1"):
        return (await self.numbers.chatbots([number])).get(number)


@pytest.fixture
def room():
    return Room()


def test_it_follows_the_accounts(room):
    assert room.numbers.table._topic == ACCOUNTS.name


OLD, NEW = account("old", active=False, revision=9), account("new", revision=1)


@pytest.mark.parametrize("order", list(itertools.permutations([OLD, NEW, account("older", active=False, revision=3)])))
async def test_of_several_accounts_of_a_number_the_active_one_counts_in_whatever_order_they_are_read(room, order):
    for one in order:
        room.numbers.changed(one.chatbot_id, one)
    assert await room.owner() == "new"


async def test_of_accounts_that_have_all_gone_the_last_one_counts(room):
    for one in (account("a", active=False, revision=2), account("b", active=False, revision=5)):
        room.numbers.changed(one.chatbot_id, one)
    assert await room.owner() == "b"


async def test_an_account_that_changes_its_number_leaves_the_old_one(room):
    room.numbers.changed("bot", account("bot", "1"))
    room.numbers.changed("bot", account("bot", "2", revision=2))
    assert await room.numbers.chatbots(["1", "2"]) == {"2": "bot"}


async def test_a_number_that_moves_to_another_account_follows_it(room):
    room.numbers.changed("a", account("a"))
    room.numbers.changed("a", account("a", active=False, revision=2))
    assert await room.owner() == "a"
    room.numbers.changed("b", account("b"))
    assert await room.owner() == "b"


async def test_an_account_that_was_removed_is_none(room):
    room.numbers.changed("bot", account("bot"))
    room.numbers.changed("bot", None)
    room.numbers.changed("never-was", None)
    assert await room.owner() is None


async def test_an_account_that_was_made_a_moment_ago_is_waited_for(room):
    room.coming = [account("bot")]
    assert await room.owner() == "bot"
    assert room.asked == 1


async def test_a_known_number_needs_no_catch_up(room):
    room.numbers.changed("bot", account("bot"))
    assert await room.owner() == "bot"
    assert room.asked == 0


async def test_a_number_without_an_account_asks_now_and_then(room):
    for _ in range(5):
        assert await room.owner() is None
    assert room.asked == 1
    room.clock.now += 10.1
    room.coming = [account("bot")]
    assert await room.owner() == "bot"
    assert room.asked == 2


async def test_while_kafka_is_away_it_is_asked_again(room):
    room.reachable, room.coming = False, [account("bot")]
    assert await room.owner() is None
    room.reachable = True
    assert await room.owner() == "bot"


@pytest.mark.parametrize(
    ("accounts", "deactivated"),
    [
        ([], False),
        ([account("a")], False),
        ([account("a", active=False)], True),
        ([account("a", active=False), account("b", active=False)], True),
        ([account("a", active=False, revision=9), account("b")], False),
        ([account("a", active=False), account("a", revision=2)], False),
        ([account("a"), account("a", active=False, revision=2)], True),
        ([account("a", active=False), account("a", number="2", active=False)], False),
    ],
)
def test_a_number_is_deactivated_when_all_of_its_accounts_are_deactivated(room, accounts, deactivated):
    for one in accounts:
        room.numbers.changed(one.chatbot_id, one)
    assert room.numbers.deactivated(["1", "3"]) == ({"1"} if deactivated else set())
