"""The demo's proof: it passes when all is well, and for each thing that can go wrong it fails and says what."""

import io

import pytest
from rich.console import Console

from demo.story import LINES, Story
from testbed.client import StepFailed

ADA = LINES[0][0]


class Answered:
    """A system that has answered every line; tests then change what it remembers."""

    def __init__(self):
        self.asked = {phone: [f"wamid.{phone}.{n}" for n in range(len(texts))] for phone, _, texts in LINES}
        self.answers = {phone: list(wamids) for phone, wamids in self.asked.items()}
        self.stored = "read"
        self.idle = True

    async def sent(self, *, phone):
        return [{"wamid": wamid} for wamid in self.asked[phone]]

    async def received(self, *, phone):
        return [{"body": {"context": {"message_id": wamid}}} for wamid in self.answers[phone]]

    async def message(self, _entry):
        return self.stored and {"deliveryStatus": self.stored}

    async def control(self, _method, _path):
        return {"idle": self.idle}


@pytest.fixture
def answered(monkeypatch):
    # What never comes is waited for briefly: the waiting itself is not what these tests are about.
    async def once(what, condition, **_):
        if not await condition():
            raise StepFailed(what)

    monkeypatch.setattr("demo.story.eventually", once)
    return Answered()


async def check(client):
    await Story(client, Console(file=io.StringIO())).check()


async def test_a_conversation_with_one_reply_each_that_was_read_passes(answered):
    await check(answered)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda wamids: wamids.append(wamids[-1]), id="a reply twice"),
        pytest.param(lambda wamids: wamids.pop(), id="a reply missing"),
        pytest.param(lambda wamids: wamids.reverse(), id="replies out of order"),
        pytest.param(lambda wamids: wamids.append("wamid.foreign"), id="a reply to an unknown message"),
    ],
)
async def test_a_wrong_sequence_of_replies_fails_and_names_the_customer(answered, spoil):
    spoil(answered.answers[ADA])
    with pytest.raises(StepFailed, match="Ada wrote 3 messages"):
        await check(answered)


@pytest.mark.parametrize("stored", ["sent", "delivered", "failed", None])
async def test_a_reply_that_is_not_read_in_the_store_fails(answered, stored):
    answered.stored = stored
    with pytest.raises(StepFailed, match="a reply to Ada is `read` in our store"):
        await check(answered)


async def test_a_meta_that_is_never_done_fails(answered):
    answered.idle = False
    with pytest.raises(StepFailed, match="Meta is idle"):
        await check(answered)
