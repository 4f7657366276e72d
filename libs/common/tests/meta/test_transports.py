"""The pure parts of the transports: the proof, the rule of proxies, the names of reasons."""

import errno
import ssl

import pytest

from common.meta.call_ends import NotSent, Unclear
from common.meta.transports.letter import Letter
from common.meta.transports.proxies import proxy_for
from common.meta.transports.reasons import reason_of


def test_a_body_that_was_not_taken_proves_it_and_cannot_be_taken_any_more():
    letter = Letter(b"{}")
    assert letter.failed("why") == NotSent("why")
    assert list(letter.pieces) == []


def test_a_body_that_was_taken_proves_nothing():
    letter = Letter(b"{}")
    assert next(letter.pieces) == b"{}"
    assert letter.failed("why") == Unclear("why")


async def test_both_ways_to_take_a_body_take_the_same_one():
    letter = Letter(b"{}")
    assert [piece async for piece in letter] == [b"{}"]
    assert letter.failed("why") == Unclear("why")


def test_an_empty_body_proves_nothing():
    assert Letter(b"").failed("why") == Unclear("why")


@pytest.mark.parametrize(
    ("url", "proxies", "expected"),
    [
        ("https://graph.example", {}, None),
        ("https://graph.example", {"https": "http://p:1"}, "http://p:1"),
        ("https://graph.example", {"https": "p:1"}, "http://p:1"),
        ("https://graph.example", {"http": "http://p:1"}, None),
        ("https://graph.example", {"all": "http://p:1"}, "http://p:1"),
        ("https://graph.example", {"https": "http://q:1", "all": "http://p:1"}, "http://q:1"),
        ("https://graph.example", {"https": "http://p:1", "no": "graph.example"}, None),
        ("https://graph.example", {"https": "http://p:1", "no": "x, .example"}, None),
        ("https://graph.example", {"https": "http://p:1", "no": "*"}, None),
        ("https://graph.example", {"https": "http://p:1", "no": "ample"}, "http://p:1"),
        ("http://127.0.0.1:3", {"http": "http://p:1", "no": "10.0.0.0/8, 127.0.0.0/8"}, None),
        ("http://[::1]:3", {"http": "http://p:1", "no": "::/64"}, None),
        ("http://127.0.0.1:3", {"http": "http://p:1", "no": "10.0.0.0/8,nonsense/x"}, "http://p:1"),
    ],
)
def test_the_proxy_of_the_environment(url, proxies, expected):
    assert proxy_for(url, proxies) == expected


def caused(outer, *causes):
    error = outer
    for cause in causes:
        error.__cause__ = cause
        error = cause
    return outer


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("EAAfake-token"), "ValueError"),
        (caused(ValueError("x"), OSError(errno.ECONNREFUSED, "EAAfake-token")), "Connection refused"),
        (caused(OSError("EAAfake-token"), KeyError("x")), "OSError"),
        (caused(ValueError("x"), ssl.SSLError(1, "EAAfake-token")), "SSLError"),
    ],
)
def test_a_reason_never_repeats_an_errors_own_text(error, expected):
    assert reason_of(error) == expected
