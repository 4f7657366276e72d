"""The pure parts, and one short run."""

import pytest

from outbound_http.rounds import ratios, run, table
from outbound_http.wire import answer, message_end, request, status_and_body


def test_a_message_is_whole_when_its_last_byte_is_there():
    whole = request("localhost:1", "/v25.0/1/messages", {"authorization": "Bearer t"}, b'{"to":"1"}')
    assert [message_end(whole[:cut]) for cut in (10, len(whole) - 1, len(whole))] == [0, 0, len(whole)]
    assert message_end(whole + b"POST") == len(whole)


def test_a_length_is_found_however_it_is_written_and_must_be_there():
    assert message_end(b"POST / HTTP/1.1\r\nContent-Length:2\r\nHost: a\r\n\r\n{}") == 48
    with pytest.raises(ValueError, match="content-length"):
        message_end(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n{}")


def test_an_answer_has_a_status_and_a_body():
    assert status_and_body(answer(b"{}", {"connection": "keep-alive"})) == (200, b"{}")
    assert status_and_body(b"HTTP/1.1 429 Too Many\r\ncontent-length: 1\r\n\r\nx") == (429, b"x")


def test_a_ratio_is_of_two_runs_in_the_same_round():
    seen = {name: [{"cpuUs": cpu, "perSecond": 1.0} for cpu in cpus] for name, cpus in FIGURES.items()}
    assert ratios(seen) == {"raw": 1.0, "graph": 1.5}
    assert ratios({"graph": seen["graph"]}) == {}
    assert table({"kinds": seen, "ratios": ratios(seen)})[2].split() == ["graph", "30.0", "1", "1.50"]


FIGURES = {"raw": [10.0, 20.0, 40.0], "graph": [15.0, 30.0, 80.0]}


async def test_a_short_run_measures_every_client():
    said = []
    result = await run(1, 50, ["raw", "graph"], said.append)
    assert [len(result["kinds"][kind]) for kind in ("raw", "graph")] == [1, 1]
    assert all(figures["cpuUs"] > 0 for rounds in result["kinds"].values() for figures in rounds)
    assert set(result["ratios"]) == {"raw", "graph"}
    assert said[-1].startswith("round 1/1 graph")
