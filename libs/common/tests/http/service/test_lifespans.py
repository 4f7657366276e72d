"""The parts of a service start in order, and each is stopped whatever another does."""

import pytest

from common.http.service.lifespans import closing, running


class Part:
    def __init__(self, name, told, *, fails_to=""):
        self.name, self.told, self.fails_to = name, told, fails_to

    async def start(self):
        await self._do("start")

    async def stop(self):
        await self._do("stop")

    async def close(self):
        await self._do("close")

    async def _do(self, verb):
        self.told.append(f"{verb} {self.name}")
        if self.fails_to == verb:
            raise RuntimeError(verb)


async def test_parts_start_in_their_order_and_stop_in_reverse():
    told = []
    async with running(Part("a", told), Part("b", told))(None):
        assert told == ["start a", "start b"]
    assert told[2:] == ["stop b", "stop a"]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("start", ["start a", "start b", "stop a"]),
        ("stop", ["start a", "start b", "start c", "stop c", "stop b", "stop a"]),
    ],
)
async def test_a_part_that_fails_keeps_no_other_from_being_stopped(verb, expected):
    told = []
    parts = [Part("a", told), Part("b", told, fails_to=verb), Part("c", told)]
    with pytest.raises(RuntimeError, match=verb):
        async with running(*parts)(None):
            pass
    assert told == expected


async def test_clients_are_closed_the_last_first_and_each_of_them():
    told = []
    first, second = Part("a", told), Part("b", told, fails_to="close")
    with pytest.raises(RuntimeError, match="close"):
        async with closing(first.close, second.close)(None):
            assert told == []
    assert told == ["close b", "close a"]
