"""Calls to another service: where they go, and what they carry."""

import httpx
import pytest
from pydantic import SecretStr

from common.http.clients.accounts import CredentialsClient, CredentialsSettings
from common.http.clients.base import internal_client


async def test_a_call_with_a_secret_goes_through_no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with internal_client("http://accounts.invalid", SecretStr("fake-key"), 1.0) as client:
        assert client._mounts == {}
        assert not client.trust_env
        assert client.headers["authorization"] == "Bearer fake-key"
        assert client.timeout == httpx.Timeout(1.0)


@pytest.mark.parametrize(
    ("chatbot", "path"),
    [
        ("bot", b"/internal/accounts/bot/credentials"),
        ("../other", b"/internal/accounts/..%2Fother/credentials"),
        ("a/b", b"/internal/accounts/a%2Fb/credentials"),
        ("a?b#c", b"/internal/accounts/a%3Fb%23c/credentials"),
        ("ä b", b"/internal/accounts/%C3%A4%20b/credentials"),
    ],
)
async def test_any_chatbot_id_is_one_part_of_the_path(chatbot, path):
    asked = []

    def answer(request):
        asked.append(request.url.raw_path)
        return httpx.Response(200, json={"phoneNumberId": "1", "accessToken": "fake", "revision": 1})

    client = CredentialsClient(CredentialsSettings(accounts_internal_key="fake-key"))
    await client._client.aclose()
    client._client = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://accounts.invalid")
    await client.get(chatbot, revision=1)
    await client.close()
    assert asked == [path]
