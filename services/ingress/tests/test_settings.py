"""Ingress's settings as they are given in the environment."""

import pytest
from pydantic import ValidationError

from ingress.settings import Settings


def secrets_of(text, monkeypatch):
    monkeypatch.setenv("WHATSAPP_APP_SECRETS", text)
    return Settings().app_secrets()


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("fake-one", ["fake-one"]),
        (" fake-one , fake-two,", ["fake-one", "fake-two"]),
        ('["fake-one", "fake,two"]', ["fake-one", "fake,two"]),
        ("", []),
        ("[]", []),
    ],
)
def test_app_secrets_are_a_list_by_comma_or_json(text, secrets, monkeypatch):
    assert secrets_of(text, monkeypatch) == secrets


def test_a_list_with_an_empty_secret_is_refused_as_its_text_is():
    with pytest.raises(ValidationError):
        Settings(whatsapp_app_secrets=["fake-one", ""])


@pytest.mark.parametrize("text", ['["fake-one', '["fake-one", 2]', '["fake-one", ""]', '[["fake-one"]]'])
def test_app_secrets_that_cannot_be_read_are_refused_and_not_shown(text, monkeypatch):
    with pytest.raises(ValidationError, match="whatsapp_app_secrets") as caught:
        secrets_of(text, monkeypatch)
    assert "fake-one" not in str(caught.value)


def test_without_app_secrets_there_are_none():
    assert Settings().app_secrets() == []


@pytest.mark.parametrize(
    ("single", "several", "secrets"),
    [
        ("fake-one", None, ["fake-one"]),
        (" fake-one\n", "", ["fake-one"]),
        ("fake-one", "fake-two,fake-one", ["fake-one", "fake-two"]),
        ("", "fake-two", ["fake-two"]),
        ("", "", []),
        ("fake-one, fake-two", None, ["fake-one", "fake-two"]),
    ],
)
def test_the_app_secret_and_several_of_them_count_together(single, several, secrets, monkeypatch):
    monkeypatch.setenv("WHATSAPP_APP_SECRET", single)
    if several is not None:
        monkeypatch.setenv("WHATSAPP_APP_SECRETS", several)
    assert Settings().app_secrets() == secrets


@pytest.mark.parametrize("name", ["WHATSAPP_APP_SECRET", "WHATSAPP_APP_SECRETS"])
def test_an_app_secret_with_white_space_inside_is_refused_and_not_shown(name, monkeypatch):
    monkeypatch.setenv(name, "fake one")
    with pytest.raises(ValidationError, match="white space") as caught:
        Settings()
    assert "fake one" not in str(caught.value)


@pytest.mark.parametrize(("given", "token"), [(" fake-token\n", "fake-token"), ("two words", "two words"), (" ", None)])
def test_the_verify_token_is_trimmed_and_an_empty_one_is_none(given, token, monkeypatch):
    monkeypatch.setenv("WHATSAPP_VERIFY_TOKEN", given)
    found = Settings().whatsapp_verify_token
    assert (found.get_secret_value() if found else None) == token


def test_secrets_are_not_shown(monkeypatch):
    monkeypatch.setenv("WHATSAPP_APP_SECRETS", "fake-one")
    monkeypatch.setenv("WHATSAPP_VERIFY_TOKEN", "fake-token")
    assert "fake-" not in repr(Settings())


@pytest.mark.parametrize("seconds", [0, -1, 4.6, 60])
def test_kafka_has_less_time_than_meta_gives_us(seconds):
    """Meta waits for 5 s, and comes again with the same."""
    with pytest.raises(ValidationError, match="publish_timeout_seconds"):
        Settings(publish_timeout_seconds=seconds)
    assert 0 < Settings().publish_timeout_seconds < 5
