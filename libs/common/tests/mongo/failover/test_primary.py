"""What is concluded from the driver's picture of its servers. The failovers themselves: `test_failover.py`."""

import asyncio
from types import SimpleNamespace

import pytest

from common.mongo.failover.primary import PrimaryWatch, deposed, primary_of

A, B, C = ("a", 1), ("b", 1), ("c", 1)


def picture(**kinds):
    servers = {(name, 1): SimpleNamespace(server_type_name=kind) for name, kind in kinds.items()}
    return SimpleNamespace(
        server_descriptions=lambda: servers,
        has_writable_server=lambda: any(server.server_type_name == "RSPrimary" for server in servers.values()),
    )


@pytest.mark.parametrize(
    ("before", "now", "gone"),
    [
        (A, picture(a="Unknown", b="RSPrimary", c="RSSecondary"), A),
        (A, picture(a="RSSecondary", b="RSPrimary", c="RSSecondary"), None),  # it has stepped down, and goes on
        (A, picture(a="RSPrimary", b="RSSecondary", c="RSSecondary"), None),
        (A, picture(a="Unknown", b="RSSecondary", c="RSSecondary"), None),  # nobody else yet: it may come back
        (A, picture(b="RSPrimary", c="RSSecondary"), None),  # it was taken out of the set
        (None, picture(a="Unknown", b="RSPrimary", c="RSSecondary"), None),
    ],
)
def test_a_primary_is_deposed_when_another_is_known_and_it_says_nothing(before, now, gone):
    assert deposed(before, now) == gone


def test_the_primary_is_the_member_that_says_so():
    assert primary_of(picture(a="RSSecondary", b="RSPrimary")) == B
    assert primary_of(picture(a="RSSecondary", b="Unknown")) is None


class Watched:
    """A watch with a clock and a picture that the test sets."""

    def __init__(self):
        self.time, self.picture, self.interrupted = 100.0, picture(a="Unknown", b="Unknown", c="Unknown"), []
        self.watch = PrimaryWatch(lambda: self.picture, self.interrupt, now=lambda: self.time)

    async def interrupt(self, address):
        self.interrupted.append(address)

    def see(self, at, **kinds):
        self.time, self.picture = at, picture(**kinds)
        self.watch.look()


def test_the_time_without_a_primary_counts_from_the_first_look_without_one():
    seen = Watched()
    assert seen.watch.lost_for() == 0  # nothing was looked at yet
    seen.see(101.0, a="Unknown", b="Unknown")
    seen.see(102.0, a="RSSecondary", b="Unknown")
    assert seen.watch.lost_for() == 1
    seen.see(103.0, a="RSSecondary", b="RSPrimary")
    assert seen.watch.lost_for() == 0
    seen.see(105.0, a="RSSecondary", b="Unknown")
    seen.time = 109.0
    assert seen.watch.lost_for() == 4


async def test_what_waits_for_the_primary_before_is_interrupted_once_and_when_another_is_known():
    seen = Watched()
    seen.see(101.0, a="RSPrimary", b="RSSecondary", c="RSSecondary")
    seen.see(102.0, a="Unknown", b="RSSecondary", c="RSSecondary")
    await asyncio.sleep(0)
    assert seen.interrupted == []
    seen.see(103.0, a="Unknown", b="RSSecondary", c="RSPrimary")
    seen.see(104.0, a="Unknown", b="RSSecondary", c="RSPrimary")
    await asyncio.sleep(0)
    assert seen.interrupted == [A]
    seen.see(105.0, a="RSSecondary", b="RSPrimary", c="Unknown")
    await asyncio.sleep(0)
    assert seen.interrupted == [A, C]
