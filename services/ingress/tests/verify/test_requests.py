"""What a verification costs, and whose tokens are known while accounts change."""

import asyncio

import pytest

from common.contracts.accounts import ACTIVE, DEACTIVATED, VERIFY_TOKEN_MAX, AccountData, KeyedDigest, TokenDigest
from common.security import digests
from common.security.digests import DigestKeys
from common.security.verify_tokens import sign_token
from ingress.verify.requests import SharedCatchUp, Verification
from ingress.verify.tokens import SALTED_PER_SECOND, HashBudget, VerifyTokens

OLD = DigestKeys({"v1": b"1" * 32}, "v1")
BOTH = DigestKeys({"v1": b"1" * 32, "v2": b"2" * 32}, "v2")
ACCOUNTS = 10_000


class Clock:
    """Seconds that pass when a task sleeps, or when the test says so."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds

    async def sleep(self, seconds):
        self.seconds += seconds
        await asyncio.sleep(0)


class Table:
    """The end of the topic: each look is counted, and waits for `allow`."""

    def __init__(self):
        self.looks, self.allow, self.begun = [], asyncio.Event(), asyncio.Event()
        self.allow.set()

    async def catch_up(self, seconds):
        self.looks.append(seconds)
        self.begun.set()
        await self.allow.wait()
        return True


def account(token, keys=OLD, status=ACTIVE):
    key_id, hmac = sign_token(keys, token)
    digest = KeyedDigest(key=key_id, hmac=hmac)
    return AccountData(chatbot_id="bot", phone_number_id="2", status=status, revision=1, verify_digest=digest)


def salted(token, status=ACTIVE):
    digest = TokenDigest.of(token, "fake-salt")
    return AccountData(chatbot_id="bot", phone_number_id="2", status=status, revision=1, verify_token=digest)


def tokens(keys=BOTH, clock=None, table=None):
    return VerifyTokens(keys, (table or Table()).catch_up, now=clock or Clock())


@pytest.fixture
def counted(monkeypatch):
    """How often each kind of hash is computed."""
    counts = {"keyed": 0, "salted": 0}
    keyed, of = digests._digest, TokenDigest.of.__func__

    def digest(*given):
        counts["keyed"] += 1
        return keyed(*given)

    def salted_of(cls, *given):
        counts["salted"] += 1
        return of(cls, *given)

    monkeypatch.setattr(digests, "_digest", digest)
    monkeypatch.setattr(TokenDigest, "of", classmethod(salted_of))
    return counts


@pytest.mark.feature("verification")
async def test_a_flood_costs_a_few_hashes_each_and_a_look_a_second(counted):
    clock, table = Clock(), Table()
    index = tokens(clock=clock, table=table)
    for n in range(ACCOUNTS):
        index.changed(f"bot-{n}", account(f"fake-token-{n}"))
    verification = Verification("fake-app-token", index, now=clock, sleep=clock.sleep)
    counted["keyed"] = 0
    assert await verification.knows(f"fake-token-{ACCOUNTS - 1}")
    assert (counted["keyed"], table.looks) == (2, [])
    answers = await asyncio.gather(*(verification.knows(f"fake-wrong-{n}") for n in range(500)))
    assert (any(answers), len(table.looks)) == (False, 1)
    assert counted == {"keyed": 2 + 500 * 2 * 2, "salted": 0}


async def test_a_look_begins_after_the_call_that_waits_for_it_and_a_second_after_the_one_before():
    clock, table = Clock(), Table()
    look = SharedCatchUp(lambda: table.catch_up(2.0), now=clock, sleep=clock.sleep)
    table.allow.clear()
    early = asyncio.create_task(look())
    await table.begun.wait()
    late = [asyncio.create_task(look()) for _ in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(table.looks) == 1  # looks do not overlap
    table.allow.set()
    assert await early
    assert await asyncio.gather(*late) == [True] * 3
    assert (len(table.looks), clock.seconds) == (2, 101.0)


async def test_a_caller_that_goes_away_ends_no_other_caller_s_catch_up():
    clock, table = Clock(), Table()
    look = SharedCatchUp(lambda: table.catch_up(2.0), now=clock, sleep=clock.sleep)
    table.allow.clear()
    gone, stays = asyncio.create_task(look()), asyncio.create_task(look())
    await table.begun.wait()
    gone.cancel()
    table.allow.set()
    assert await stays
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_only_so_many_wait_for_a_look():
    clock, table = Clock(), Table()
    look = SharedCatchUp(lambda: table.catch_up(2.0), now=clock, sleep=clock.sleep, waiting=2)
    answers = await asyncio.gather(*(look() for _ in range(5)))
    assert (answers, len(table.looks)) == ([True, True, False, False, False], 1)
    assert await look()


async def test_a_look_that_is_under_way_ends_with_the_service():
    clock, table = Clock(), Table()
    verification = Verification(None, tokens(table=table), now=clock, sleep=clock.sleep)
    table.allow.clear()
    waiting = asyncio.create_task(verification.knows("fake-unknown"))
    await table.begun.wait()
    async with asyncio.timeout(5):
        await verification.stop()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_token_that_is_too_long_is_not_looked_up(counted):
    table = Table()
    index = tokens(table=table)
    index.changed("bot", account("x" * VERIFY_TOKEN_MAX))
    counted["keyed"] = 0
    verification = Verification("y" * (VERIFY_TOKEN_MAX + 1), index, now=Clock())
    assert not await verification.knows("x" * (VERIFY_TOKEN_MAX + 1))
    assert (counted["keyed"], table.looks) == (0, [])
    assert await verification.knows("x" * VERIFY_TOKEN_MAX)
    assert await verification.knows("y" * (VERIFY_TOKEN_MAX + 1))  # the app's own is compared, and not looked up


def test_a_token_is_known_under_each_configured_key_and_no_other():
    index = tokens(BOTH)
    index.changed("old", account("fake-old", OLD))
    index.changed("new", account("fake-new", BOTH))
    assert index.matches("fake-old")
    assert index.matches("fake-new")
    without_the_new_key = tokens(OLD)
    without_the_new_key.changed("new", account("fake-new", BOTH))
    assert not without_the_new_key.matches("fake-new")
    without_keys = tokens(None)
    without_keys.changed("old", account("fake-old", OLD))
    assert not without_keys.matches("fake-old")


def test_a_digest_is_that_of_its_own_key():
    index = tokens(BOTH)
    _, hmac = sign_token(OLD, "fake-token")
    index.changed(
        "bot",
        AccountData(
            chatbot_id="bot",
            phone_number_id="2",
            status=ACTIVE,
            revision=1,
            verify_digest=KeyedDigest(key="v2", hmac=hmac),
        ),
    )
    assert not index.matches("fake-token")


def test_a_key_that_is_not_configured_is_said_once(caplog):
    index = tokens(OLD)
    for n in range(3):
        index.changed(f"bot-{n}", account(f"fake-{n}", BOTH))
    assert [record.key_id for record in caplog.records] == ["v2"]


CHANGES = {
    "another token": account("fake-other"),
    "deactivated": account("fake-token", status=DEACTIVATED),
    "no token": AccountData(chatbot_id="bot", phone_number_id="2", status=ACTIVE, revision=2),
    "deleted": None,
}


@pytest.mark.parametrize("before", [account("fake-token"), salted("fake-token")], ids=["keyed", "salted"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_token_of_before_a_change_is_forgotten(before, change):
    index = tokens()
    index.changed("bot", before)
    assert index.matches("fake-token")
    index.changed("bot", change)
    assert not index.matches("fake-token")
    assert index.matches("fake-other") is (change is CHANGES["another token"])


def test_a_token_of_two_accounts_is_known_until_the_last_one_has_gone():
    index = tokens()
    for bot in ("bot-1", "bot-2"):
        index.changed(bot, account("fake-token"))
    index.changed("bot-1", account("fake-token", status=DEACTIVATED))
    assert index.matches("fake-token")
    index.changed("bot-2", None)
    assert not index.matches("fake-token")
    assert index._chatbots == {}


def test_salted_digests_are_checked_within_a_budget_and_in_turn(counted):
    clock = Clock()
    index = tokens(clock=clock)
    for n in range(3 * SALTED_PER_SECOND):
        index.changed(f"bot-{n}", salted(f"fake-token-{n}"))
    counted["salted"] = 0
    last = f"fake-token-{3 * SALTED_PER_SECOND - 1}"
    found = []
    for _ in range(3):
        found.append(any(index.matches(last) for _ in range(50)))
        clock.seconds += 1.0
    assert found == [False, False, True]  # each second begins where the one before has ended
    assert counted["salted"] == 3 * SALTED_PER_SECOND


def test_a_budget_is_of_one_second():
    clock = Clock()
    budget = HashBudget(3, clock)
    assert [budget.take(2), budget.take(2), budget.take(2)] == [2, 1, 0]
    clock.seconds += 0.9
    assert budget.take(1) == 0
    clock.seconds += 30
    assert budget.take(9) == 3
