"""A crash while MongoDB is ahead of Kafka: the replay publishes what is missing, however it is cut.

Batches of different partitions are worked on at the same time. So any of those that MongoDB has may be missing in Kafka.
"""

from collections import Counter

from conversation_builders import Memory, again, message, result, status
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import topics
from common.contracts.envelope import decode, decoder
from common.contracts.messages import IncomingMessage, MessageStatus

_incoming, _status = decoder(IncomingMessage), decoder(MessageStatus)
_WORDS = ("sent", "delivered", "read")

_cuts = st.lists(st.integers(1, 4), min_size=12, max_size=12)


def records():
    """What may come of one exchange: messages, our send with and without callback data in its statuses, repetitions."""
    written = [message(f"wamid.{n}") for n in range(3)]
    statuses = [status(word) for word in _WORDS] + [status(word, ours=False) for word in _WORDS[:2]]
    return [*written, again(written[0]), result(), *statuses, again(statuses[1])]


def batches(found, cuts):
    left, cuts = list(found), iter(cuts)
    while left:
        size = next(cuts)
        yield left[:size]
        left = left[size:]


@given(st.data())
def test_what_a_crash_left_out_is_published_by_the_replay_and_no_message_twice(data):
    memory, published = Memory(), []
    found = data.draw(st.permutations(records()))
    first = list(batches(found, data.draw(_cuts)))
    stored = data.draw(st.integers(1, len(first)))
    committed = data.draw(st.sets(st.integers(0, stored - 1)))
    for number, batch in enumerate(first[:stored]):
        events, _ = memory.run(*batch)
        published += events if number in committed else []
    missing = [part for number, part in enumerate(first) if number not in committed]
    for batch in batches([one for part in missing for one in part], data.draw(_cuts)):
        published += memory.run(*batch)[0]
    incoming = Counter(
        decode(_incoming, e.value).data.wamid for e in published if e.topic == topics.INCOMING_MESSAGES.name
    )
    assert incoming == {f"wamid.{n}": 1 for n in range(3)}
    told = [decode(_status, e.value).data for e in published if e.topic == topics.MESSAGE_STATUS.name]
    assert {one.status for one in told if one.message_id == "m1"} == {"accepted", *_WORDS}
