"""Calls from one service to another's internal listener: one client per callee, connections kept, no proxy.

What the callee does not answer, or answers wrongly, is `Unavailable` with the code `<service>_unavailable`.
"""

from typing import Any

import httpx
from pydantic import SecretStr

from common.errors import Unavailable


def internal_client(url: str, key: SecretStr, seconds: float) -> httpx.AsyncClient:
    """A client that shows `key`; each step of a call (connecting, writing, reading) may take `seconds`."""
    return httpx.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {key.get_secret_value()}"},
        timeout=seconds,
        trust_env=False,  # an internal call, with a secret in it, never goes through a proxy
    )


async def call(client: httpx.AsyncClient, service: str, method: str, path: str, **body: Any) -> httpx.Response:
    """The answer, whatever its status. Raises `Unavailable` when there is none."""
    try:
        return await client.request(method, path, **body)
    except httpx.HTTPError as error:
        raise unavailable(service, f"does not answer: {type(error).__name__}") from None


def answer_of(service: str, response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a successful answer; empty when it has no body. Raises `Unavailable` for any other."""
    if not response.is_success:
        raise unavailable(service, f"answered {response.status_code}")
    try:
        answer = response.json() if response.content else {}
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise unavailable(service, "gave an answer that is not an object")
    return answer


def unavailable(service: str, what: str) -> Unavailable:
    """The error that says what `service` did."""
    return Unavailable(f"{service} {what}", code=f"{service}_unavailable")
