"""What `make failover` makes of the requests that it has sent."""

import pytest

from chaos.failover import Asked, exchanges, noticed


def asked(began, took, *, ok=True, stale=False):
    return Asked(began, took, ok, stale)


@pytest.mark.parametrize(
    ("those", "stall"),
    [
        ([asked(0, 1), asked(1, 1), asked(2, 1)], 1),
        ([asked(0, 1), asked(1, 1, ok=False), asked(2, 4), asked(5, 1)], 5),
        ([asked(0, 9), asked(1, 1), asked(2, 1)], 6),  # one that is slow is no stall while others succeed
        ([asked(0, 1, ok=False), asked(1, 1, ok=False)], 2),
        ([asked(0, 1), asked(5, 2, ok=False)], 6),  # until the end
    ],
)
def test_a_stall_is_the_longest_time_without_a_success(those, stall):
    assert noticed("x", those).stall == stall
    assert noticed("x", those[::-1]).stall == stall


def test_the_slowest_are_told_apart_by_whether_they_succeeded():
    found = noticed("x", [asked(0, 3), asked(1, 5, ok=False), asked(2, 1, stale=True)])
    assert (found.asked, found.failed, found.stale, found.slowest, found.slowest_failure) == (3, 1, 1, 3, 5)


def test_an_exchange_lasts_until_its_own_reply():
    sent = [{"wamid": "a", "atMs": 1_000}, {"wamid": "b", "atMs": 2_000}]
    received = [
        {"atMs": 2_500, "body": {"context": {"message_id": "b"}}},
        {"atMs": 4_000, "body": {"context": {"message_id": "a"}}},
    ]
    assert [(one.began, one.took, one.ok) for one in exchanges(sent, received)] == [(1.0, 3.0, True), (2.0, 0.5, True)]
