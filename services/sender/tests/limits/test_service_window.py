"""Only a window that is known to be closed is refused; what Meta says of one is remembered for a short while."""

from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.contacts import Contact
from common.errors import Unavailable
from sender.limits.service_window import Refusal, ServiceWindows, is_known_closed

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
NUMBER, TO = "106", "+5215512345678"
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("until", "refusal", "closed"),
    [
        (None, None, False),
        (NOW + SECOND, None, False),
        (NOW, None, True),
        (NOW - DAY, None, True),
        (None, Refusal(None, NOW + SECOND), True),
        (None, Refusal(None, NOW), False),
        (NOW + HOUR, Refusal(None, NOW + SECOND), False),
        (NOW + HOUR, Refusal(NOW + HOUR, NOW + SECOND), True),
        (NOW + HOUR, Refusal(NOW + HOUR, NOW), False),
        (NOW + HOUR + SECOND, Refusal(NOW + HOUR, NOW + SECOND), False),
        (NOW - SECOND, Refusal(None, NOW - SECOND), True),
    ],
)
def test_a_window_is_closed_when_conversation_or_meta_has_said_so(until, refusal, closed):
    assert is_known_closed(until, refusal, NOW) is closed


class Conversation:
    """What conversation knows: nothing at first."""

    def __init__(self):
        self.until, self.asked, self.away = None, [], False

    async def ask(self, pairs):
        self.asked.extend(pairs)
        if self.away:
            raise Unavailable("conversation is away", code="conversation_unavailable")
        return [self.until] * len(pairs)

    async def close(self):
        pass


@pytest.fixture
async def conversation():
    return Conversation()


@pytest.fixture
async def windows(conversation):
    windows = ServiceWindows(conversation)
    yield windows
    await windows.close()


async def test_what_conversation_does_not_know_is_left_to_meta_whose_refusal_is_remembered(windows, conversation):
    assert not await windows.is_closed(NUMBER, TO, NOW)
    windows.refused(NUMBER, TO, NOW)
    assert await windows.is_closed(NUMBER, TO, NOW + SECOND)
    assert await windows.is_closed(NUMBER, "+525512345678", NOW + SECOND)  # the same phone
    assert not await windows.is_closed("107", TO, NOW + SECOND)
    assert not await windows.is_closed(NUMBER, "+525512345679", NOW + SECOND)


async def test_a_refusal_ends_with_the_next_message_of_the_person(windows, conversation):
    windows.refused(NUMBER, TO, NOW)
    conversation.until = NOW + DAY + SECOND
    assert not await windows.is_closed(NUMBER, TO, NOW + 2 * SECOND)
    asked = len(conversation.asked)
    assert not await windows.is_closed(NUMBER, TO, NOW + 3 * SECOND)
    assert len(conversation.asked) == asked


async def test_a_refusal_ends_after_a_while_because_a_window_may_be_opened_unseen(windows):
    windows.refused(NUMBER, TO, NOW)
    assert await windows.is_closed(NUMBER, TO, NOW + timedelta(minutes=4))
    assert not await windows.is_closed(NUMBER, TO, NOW + timedelta(minutes=6))


async def test_meta_is_believed_where_conversation_takes_a_window_for_open(windows, conversation):
    conversation.until = NOW + HOUR
    assert not await windows.is_closed(NUMBER, TO, NOW)
    windows.refused(NUMBER, TO, NOW)
    assert await windows.is_closed(NUMBER, TO, NOW + SECOND)
    conversation.until = NOW + DAY
    assert not await windows.is_closed(NUMBER, TO, NOW + SECOND)


async def test_while_conversation_is_away_nothing_is_known(windows, conversation):
    windows.refused(NUMBER, TO, NOW)
    conversation.away = True
    assert not await windows.is_closed(NUMBER, TO, NOW + SECOND)


@pytest.mark.parametrize(
    ("contact", "to"),
    [
        (Contact(wa_id="525512345678"), TO),
        (Contact(user_id="MX.1", wa_id="5215512345678"), "MX.1"),
        (Contact(user_id="MX.1", wa_id="5215512345678"), TO),
        (Contact(group_id="Y2FwaV9ncm91cDox"), "Y2FwaV9ncm91cDox"),
    ],
)
async def test_a_status_closes_the_window_of_all_names_that_it_has(windows, contact, to):
    windows.failed(NUMBER, contact, NOW, NOW + SECOND)
    assert await windows.is_closed(NUMBER, to, NOW + 2 * SECOND)


async def test_a_status_from_before_the_last_message_closes_nothing(windows, conversation):
    conversation.until = NOW + DAY  # the person wrote now
    assert not await windows.is_closed(NUMBER, TO, NOW)
    windows.failed(NUMBER, Contact(wa_id="5215512345678"), NOW - SECOND, NOW)
    assert not await windows.is_closed(NUMBER, TO, NOW)
    windows.failed(NUMBER, Contact(wa_id="5215512345679"), NOW - HOUR, NOW)  # read late
    conversation.until = None
    assert not await windows.is_closed(NUMBER, "5215512345679", NOW)


async def test_without_conversation_nothing_is_refused_because_no_service_would_tell_when_it_opens():
    windows = ServiceWindows(None)
    windows.refused(NUMBER, TO, NOW)
    assert not await windows.is_closed(NUMBER, TO, NOW)
    await windows.close()


async def test_memory_is_bounded(windows, conversation, monkeypatch):
    monkeypatch.setattr("sender.limits.service_window._REMEMBERED", 2)
    for n in range(5):
        windows.refused(NUMBER, f"DE.{n}", NOW)
    assert [await windows.is_closed(NUMBER, f"DE.{n}", NOW) for n in range(5)] == [False, False, False, True, True]
