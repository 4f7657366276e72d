"""Ingress's settings as they are given in the environment."""

import pytest
from pydantic import ValidationError

from ingress.settings import Settings


def secrets_of(text, monkeypatch):
    monkeypatch.setenv("WHATSAPP_APP_SECRETS", text)
    return [secret.get_secret_value() for secret in Settings().whatsapp_app_secrets]


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


@pytest.mark.parametrize("text", ['["fake-one', '["fake-one", 2]', '["fake-one", ""]', '[["fake-one"]]'])
def test_app_secrets_that_cannot_be_read_are_refused_and_not_shown(text, monkeypatch):
    with pytest.raises(ValidationError, match="whatsapp_app_secrets") as caught:
        secrets_of(text, monkeypatch)
    assert "fake-one" not in str(caught.value)


def test_without_app_secrets_there_are_none():
    assert Settings().whatsapp_app_secrets == []


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
