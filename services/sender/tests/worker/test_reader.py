"""How long a reader lets records gather after a fetch."""

import pytest

from sender.worker.reader import _FETCH_RECORDS, _pause_after


@pytest.mark.parametrize("count", [0, 1, _FETCH_RECORDS])
def test_nothing_gathers_without_load_and_while_more_are_waiting(count):
    assert _pause_after(count) == 0.0


def test_the_pause_grows_with_what_came_up_to_its_bound():
    assert [_pause_after(count) for count in (2, 3, 5, _FETCH_RECORDS - 1)] == pytest.approx([0.02, 0.03, 0.05, 0.05])
