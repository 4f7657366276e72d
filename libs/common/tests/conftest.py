"""What tests of several files need."""

import os
import ssl

import pytest

_AUTHORITIES = ssl.create_default_context()
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def no_proxy(monkeypatch):
    """No proxy of this machine; and its authorities are loaded once, because that takes longer than a call."""
    made = ssl.create_default_context

    def once():
        trusted = os.environ.get("SSL_CERT_FILE")
        return made() if trusted else _AUTHORITIES

    monkeypatch.setattr(ssl, "create_default_context", once)
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
