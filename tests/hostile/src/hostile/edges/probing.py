"""Sends the probes, to the services directly and through the gateway, and paths that try to leave their route."""

import asyncio
import gzip
from collections.abc import Sequence
from typing import Final

from aiohttp import ClientError
from yarl import URL

from hostile.edges.inputs import Probe
from hostile.payloads import message, value_of, webhook
from hostile.sockets import Address
from hostile.tenants import Answer, Stage, Tenant
from testbed.plan import PREFIX

_AT_ONCE: Final = 16
_SECONDS: Final = 20.0

ESCAPES: Final = (
    # Each ends at a place that the gateway does not route, if any of the two ends normalises it.
    "//internal/accounts/{bot}/credentials",
    "/internal/accounts/{bot}/credentials",
    "{prefix}/account/../../internal/accounts/{bot}/credentials",
    "{prefix}/account/%2e%2e/%2e%2e/internal/accounts/{bot}/credentials",
    "{prefix}/account/..%2f..%2finternal/accounts/{bot}/credentials",
    "{prefix}/account/%2e%2e%2f%2e%2e%2finternal%2faccounts%2f{bot}%2fcredentials",
    "{prefix}/account/.%2e/.%2e/internal/accounts/{bot}/credentials",
    "{prefix}/account/%252e%252e/%252e%252e/internal/accounts/{bot}/credentials",
    "{prefix}/account/..\\..\\internal\\accounts\\{bot}\\credentials",
    "{prefix}/account/..;/..;/internal/accounts/{bot}/credentials",
    "{prefix}/account//../../internal/windows",
    "{prefix}/webhook/../../metrics",
    "{prefix}/webhook/%2e%2e/%2e%2e/metrics",
    "{prefix}/send/..%2f..%2fmetrics",
    "{prefix}/conversations/../../health/ready",
    "//metrics",
    "///metrics",
    "/./metrics",
    "/metrics",
    "/health/ready",
    "/%6detrics",
    "http://localhost/internal/accounts/{bot}/credentials",
    "http://localhost{prefix}/webhook/../../metrics",
    "{prefix}/webhook/../../_control/health",
    "*",
)
"""Paths as they are written into the request line."""

_SHOWN: Final = ("accessToken", "whatsapp_", "# HELP", '"checks"', '"ready"', '"counters"', "python_info")


async def probed(stage: Stage, probes: Sequence[Probe], *, base: str | None = None) -> list[str]:
    """Probes that got a 5xx other than 503, or no answer. `base` is the gateway's address."""
    gate, found = asyncio.Semaphore(_AT_ONCE), list[str]()

    async def one(probe: Probe) -> None:
        async with gate:
            answer = await sent(stage, probe, base)
        if is_broken(answer):
            found.append(f"{probe.name}: {answer.status} {answer.text[:100]}")

    await asyncio.gather(*(one(probe) for probe in probes))
    return found


def is_broken(answer: Answer) -> bool:
    """Whether the answer is our failure. 503 asks to repeat, and 502 with a code reports a refusal of Meta. Pure."""
    if answer.status == 502:
        return '"success":false' not in answer.text or "bad_gateway" in answer.text
    return answer.status in {500, 501, 504, 505} or answer.status == 0


async def sent(stage: Stage, probe: Probe, base: str | None = None) -> Answer:
    """Send one, its path byte for byte."""
    url = f"{base}{PREFIX}{probe.path}" if base else stage.url(probe.path)
    headers = {"authorization": f"Bearer {stage.system.secret.api_key}", **probe.headers}
    try:
        async with asyncio.timeout(_SECONDS):
            async with stage.session.request(
                probe.method, URL(url, encoded=True), data=probe.body, headers=headers, allow_redirects=False
            ) as answer:
                text = await answer.text(errors="replace")
                return Answer(answer.status, text, headers={k.lower(): v for k, v in answer.headers.items()})
    except ConnectionResetError:
        return Answer(431, "cut off")  # a connection with too long input may be cut off
    except ClientError as error:
        return Answer(431 if "disconnected" in str(error).lower() or "reset" in str(error).lower() else 0, repr(error))
    except TimeoutError:
        return Answer(0, "no answer in time")


async def without_allow(stage: Stage, probes: Sequence[Probe], *, base: str | None = None) -> list[str]:
    """Wrong methods that were answered otherwise than with 405 and `Allow` (RFC 9110 §15.5.6)."""
    found = []
    for probe in probes:
        answer = await sent(stage, probe, base)
        if answer.status != 405 or not answer.headers.get("allow"):
            found.append(f"{probe.name}: {answer.status}, Allow: {answer.headers.get('allow')}")
    return found


async def escaped(stage: Stage, tenant: Tenant, *, key: str) -> list[str]:
    """Paths through which the gateway showed an unrouted path. `key` has all rights."""
    address, found = Address.of(stage.system.urls["gateway"]), []
    for path in ESCAPES:
        line = path.format(prefix=PREFIX, bot=tenant.chatbot_id)
        text = await _raw(
            address,
            f"GET {line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n",
        )
        status = text.split(" ")[1] if " " in text else "cut off"
        if status.startswith(("2", "5")) or any(word in text for word in _SHOWN):
            found.append(f"{line}: {status} {text[-100:]}")
    return found


async def _raw(address: Address, request: str) -> str:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(request.encode())
        async with asyncio.timeout(_SECONDS):
            return (await reader.read(1 << 20)).decode(errors="replace")
    except (OSError, TimeoutError):
        return ""
    finally:
        writer.close()


async def compressed(stage: Stage, tenant: Tenant) -> Answer:
    """A gzip body through the gateway. The signature covers the compressed bytes, so they must be unchanged."""
    plain = webhook(tenant.waba, value_of(tenant.number, messages=[message("wamid.gzip", "491790000009", 1)]))
    body = gzip.compress(plain)
    headers = {"content-type": "application/json", "content-encoding": "gzip", "x-hub-signature-256": stage.sign(body)}
    return await stage.request("POST", f"{stage.system.urls['gateway']}{PREFIX}/webhook", body, headers)
