"""The limit on dead letters."""

import pytest

from common.dead_letters import DeadLetterLimit, DeadLetterSettings
from common.kafka.partitions import Halted


def limit(**settings):
    return DeadLetterLimit(DeadLetterSettings(**settings))


def test_a_flood_of_dead_letters_halts_for_good():
    letters = limit(dlq_limit=3)
    for now in range(3):
        letters.note(letters=1, now=float(now))
    with pytest.raises(Halted, match="DLQ_LIMIT"):
        letters.note(letters=1, now=3.0)
    assert letters.halted
    letters.note(letters=0, now=500.0)  # what is no dead letter may still end
    with pytest.raises(Halted):
        letters.note(letters=1, now=500.0)


def test_a_few_among_many_good_ones_do_not_halt():
    letters = limit(dlq_limit=3)
    for _ in range(50):
        letters.note(letters=1, now=1.0, records=3)


def test_what_is_older_than_a_minute_does_not_count():
    letters = limit(dlq_limit=3)
    for now in range(0, 600, 25):
        letters.note(letters=1, now=float(now))


def test_zero_means_no_limit():
    letters = limit(dlq_limit=0)
    for _ in range(1_000):
        letters.note(letters=1, now=1.0)
