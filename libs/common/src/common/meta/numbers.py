"""Asking Meta what it says of a number: `GET /<phone number id>?fields=...` (Business phone number, Graph API)."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx
import msgspec

from common.errors import Unavailable
from common.meta.client import GraphSettings

COEXISTENCE_RATE: Final = 20.0
"""Messages per second of a number that is also used in the app, and the least that any number has ("Throughput")."""
UPGRADED_RATE: Final = 1_000.0

_FIELDS: Final = (
    "display_phone_number,throughput,is_on_biz_app,quality_rating,whatsapp_business_manager_messaging_limit"
)
_PASSING: Final = frozenset({408, 429})


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """What Meta says. `level` is its throughput level; `messaging_limit` its portfolio's, as Meta names it.

    That limit is of people written to first, outside their windows, in 24 hours ("Messaging limits").
    """

    display_phone_number: str | None = None
    level: str | None = None
    on_business_app: bool = False
    quality_rating: str | None = None
    messaging_limit: str | None = None

    def rate(self, default: float) -> float:
        """Messages per second, inbound and outbound; `default` where Meta gives none."""
        if self.on_business_app:
            return min(COEXISTENCE_RATE, default)
        return max(UPGRADED_RATE, default) if self.level == "HIGH" else default


class NumbersClient:
    """A few connections to Meta. Tokens are arguments, never kept or logged."""

    def __init__(self, settings: GraphSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._seconds = settings.graph_total_seconds
        self._client = httpx.AsyncClient(
            base_url=f"{settings.graph_base_url.rstrip('/')}/{settings.graph_version}",
            timeout=settings.graph_total_seconds,
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=2, keepalive_expiry=15),
            headers={"user-agent": "whatsapp-cloud-sender"},
            transport=transport,
        )

    async def ask(self, phone_number_id: str, token: str) -> NumberFacts | None:
        """What Meta says of a number; None when it refuses to. Raises `Unavailable`."""
        if not (token.isascii() and token.isprintable() and phone_number_id.isalnum()):
            return None
        headers = {"authorization": f"Bearer {token}"}
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._client.get(phone_number_id, params={"fields": _FIELDS}, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable("Meta does not answer about a number", code="meta_unavailable") from error
        if answer.status_code >= 500 or answer.status_code in _PASSING:
            said = f"Meta does not answer about a number (HTTP {answer.status_code})"
            raise Unavailable(said, code="meta_unavailable")
        return facts_of(answer.content) if answer.is_success else None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def facts_of(body: bytes) -> NumberFacts | None:
    """What an answer says; None when it is not an object. Fields of unknown shape are left out."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    throughput = told.get("throughput")
    return NumberFacts(
        display_phone_number=_text(told.get("display_phone_number")),
        level=_text(throughput.get("level")) if isinstance(throughput, dict) else None,
        on_business_app=told.get("is_on_biz_app") is True,
        quality_rating=_text(told.get("quality_rating")),
        messaging_limit=_text(told.get("whatsapp_business_manager_messaging_limit")),
    )


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
