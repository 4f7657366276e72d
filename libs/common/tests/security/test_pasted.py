"""Secrets as people paste them."""

import pytest

from common.security.pasted import clean
from common.security.signature import app_secrets

AROUND = [" ", "\n", "\r\n", "\t", "\u00a0", "\u200b", "\ufeff", "\u2028", "\x00", " \t\n"]


@pytest.mark.parametrize("around", AROUND)
def test_what_stands_around_a_secret_is_dropped_and_inside_it_is_refused(around):
    assert clean(f"{around}EAAfake-1{around}") == "EAAfake-1"
    with pytest.raises(ValueError, match="white space or an invisible character inside") as caught:
        clean(f"EAA{around}fake")
    assert "EAA" not in str(caught.value)
    with pytest.raises(ValueError, match="it is empty"):
        clean(around)


@pytest.mark.parametrize("secret", ["a", "ab12", "pässwörd", "a'b\"c$d", "0" * 4096])
def test_a_clean_secret_stays_as_it_is(secret):
    assert clean(secret) == secret


def test_app_secrets_of_both_settings_count_once_each():
    assert app_secrets("fake-1\n", " fake-2 , fake-1", '["fake-3\\u00a0"]', "") == ["fake-1", "fake-2", "fake-3"]
    with pytest.raises(ValueError, match="inside"):
        app_secrets("fake 1")


@pytest.mark.parametrize("text", ['"fake-1"', "'fake-1'", ' "fake-1" ', "'fake-1',\"fake-1\""])
def test_quotes_that_no_shell_has_taken_off_are_dropped(text):
    assert app_secrets(text) == ["fake-1"]
