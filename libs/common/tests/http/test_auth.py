"""Which header is a key, and how far a key reaches."""

from types import SimpleNamespace

import pytest

from common.errors import Unauthenticated
from common.http.auth import ApiKey, ApiKeySettings, authenticate, digest, require


def key(*chatbots):
    return ApiKey(name="shop", sha256=digest("fake-key"), scopes=frozenset({"send"}), chatbots=frozenset(chatbots))


KEYS = {digest("fake-key"): key("*")}


@pytest.mark.parametrize(
    ("chatbots", "asked", "reached"),
    [
        (("shop",), "shop", True),
        (("shop",), "shop-2", False),
        (("shop-2",), "shop", False),
        (("shop",), "SHOP", False),
        (("shop",), "", False),
        (("shop",), "*", False),
        (("shop", "cafe"), "cafe", True),
        (("*",), "anything", True),
        ((), "shop", False),
    ],
)
def test_a_key_reaches_the_chatbots_that_it_names_and_no_others(chatbots, asked, reached):
    assert key(*chatbots).reaches(asked) is reached


@pytest.mark.parametrize("header", ["Bearer fake-key", "bearer fake-key", "BEARER fake-key", "Bearer  fake-key "])
def test_a_key_is_known_by_its_header(header):
    assert authenticate(header, KEYS).name == "shop"


@pytest.mark.parametrize(
    "header",
    [
        "Basic fake-key",
        "Token fake-key",
        "Bearerfake-key",
        "fake-key",
        f"Bearer {digest('fake-key')}",  # what the configuration holds
        f"Bearer {digest(digest('fake-key'))}",
        "Bearer FAKE-KEY",
        "Bearer fake-key, Bearer other",
        "Bearer *",
    ],
)
def test_what_is_no_key_of_ours_is_refused(header):
    with pytest.raises(Unauthenticated):
        authenticate(header, KEYS)


@pytest.mark.parametrize(("given", "passes"), [("fake-key", True), (digest("fake-key"), False), ("other", False)])
def test_a_guard_takes_the_key_and_not_what_the_configuration_holds_of_it(given, passes):
    connection = SimpleNamespace(headers={"authorization": f"Bearer {given}"}, state=SimpleNamespace())
    guard = require("send", KEYS.values())
    if passes:
        guard(connection, None)
        assert connection.state.api_key.name == "shop"
    else:
        with pytest.raises(Unauthenticated):
            guard(connection, None)


def test_without_keys_nothing_is_open():
    assert ApiKeySettings().api_keys == []
    with pytest.raises(Unauthenticated):
        authenticate("Bearer fake-key", {})
