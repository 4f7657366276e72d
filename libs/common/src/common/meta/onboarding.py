"""Asking Meta, before an account is stored, whether its access token may send with its number.

Two questions, of the token that is to be stored: `GET /{phone number id}`, which only a token that reaches the number
can read, and `GET /debug_token`, which tells the token's permissions (Meta, "Access tokens", "Debug token"). A proof
asks a third: `GET /{WABA id}/phone_numbers`, whether the number belongs to the WhatsApp account that is named (Meta,
"WhatsApp Business Account > Phone Numbers").
Meta's own words are not passed on: an answer about a token may quote it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx

from common.errors import InvalidInput, Unavailable
from common.meta.client import GraphSettings
from common.meta.errors import GraphFailure, Klass, classify

PERMISSION: Final = "whatsapp_business_messaging"
LISTING_PERMISSION: Final = "whatsapp_business_management"

_THE_TOKEN: Final = "accessToken"  # noqa: S105  # the name of a field
_APP_REFUSED: Final = frozenset({1, 101})
"""What Meta also says of an app's token whose secret, or app, is wrong: elsewhere these codes pass."""
_MAY_HEAL: Final = frozenset({Klass.RETRY, Klass.THROTTLE, Klass.WAIT, Klass.AMBIGUOUS})
_NUMBER_FIELDS: Final = "id,display_phone_number"
"""Only a phone number has the second: Meta refuses it (code 100) when the id is that of a page or an account."""
_PAGE: Final = 100
NOT_SHOWN: Final = (100, 33)
"""Meta's code and subcode for an object that does not exist, or that the token may not see: here the number."""

_PAGES_MAX: Final = 20
"""A WhatsApp account has 20 numbers or fewer, and more on request only (Meta, "Phone numbers")."""


class Onboarding:
    """The check of an account's credentials against Meta; tokens are arguments, never kept or logged."""

    def __init__(self, settings: GraphSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"{settings.graph_base_url.rstrip('/')}/{settings.graph_version}",
            timeout=httpx.Timeout(settings.graph_total_seconds, connect=settings.graph_connect_seconds),
            transport=transport,
        )

    async def check(self, phone_number_id: str, waba_id: str | None, token: str) -> None:
        """Return when Meta lets `token` send with the number.

        Raises `InvalidInput` with the field that is to blame (`accessToken`, `phoneNumberId` or `wabaId`), and
        `Unavailable` when Meta gives no usable answer.
        """
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise _refusal(_THE_TOKEN, "it has characters that no access token has")
        number = await self._ask(phone_number_id, token, {"fields": _NUMBER_FIELDS})
        if isinstance(number, GraphFailure):
            raise number_refused(number)
        if number.get("id") != phone_number_id:
            raise _refusal("phoneNumberId", "Meta has this number under another id; give that one")
        inspected = await self._ask("debug_token", token, {"input_token": token})
        if isinstance(inspected, GraphFailure):
            if inspected.klass in _MAY_HEAL:
                raise _no_answer(inspected)
            return  # it may read the number and not itself: the number has to do
        judge_token(inspected.get("data"), waba_id)

    async def prove(self, phone_number_id: str, waba_id: str | None, token: str) -> None:
        """Return when Meta confirms that the holder of `token` may act for the number.

        Stricter than `check`: if a WABA is given, the number must be one of its numbers. Raises as `check` does.
        """
        await self.check(phone_number_id, waba_id, token)
        if waba_id is not None and not await self._belongs(phone_number_id, waba_id, token):
            raise _refusal("wabaId", "the number does not belong to this account")

    async def _belongs(self, phone_number_id: str, waba_id: str, token: str) -> bool:
        """Whether the number is among those of the WABA that Meta lists for the token, page by page."""
        query = {"fields": "id", "limit": str(_PAGE)}
        for _ in range(_PAGES_MAX):
            answer = await self._ask(f"{waba_id}/phone_numbers", token, query)
            if isinstance(answer, GraphFailure):
                raise waba_refused(answer)
            ids, after = numbers_of(answer)
            if phone_number_id in ids:
                return True
            if after is None:
                return False
            query["after"] = after
        return False

    async def inspect(self, token: str, *, by: str | None = None) -> Mapping[str, Any] | None:
        """What Meta says of `token` (`debug_token`); None when it refuses the token that asks.

        That is the token itself, or `by`: an app's token, `app id|app secret`. Raises `Unavailable`.
        """
        answer = await self._ask("debug_token", by or token, {"input_token": token})
        if isinstance(answer, GraphFailure):
            if answer.klass in _MAY_HEAL and not (by is not None and answer.code in _APP_REFUSED):
                raise _no_answer(answer)
            return None
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, path: str, token: str, query: dict[str, str]) -> Mapping[str, Any] | GraphFailure:
        try:
            response = await self._client.get(path, params=query, headers={"authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:  # its text may show the address, which holds the token
            raise Unavailable(
                f"Meta does not answer ({type(error).__name__}); try again", code="meta_unavailable"
            ) from None
        if response.status_code == HTTPStatus.OK and (answer := _object_of(response)) is not None:
            return answer
        return classify(response.status_code, response.content)


def number_refused(failure: GraphFailure) -> InvalidInput | Unavailable:
    """What it means that Meta does not show the number to the token."""
    if failure.klass in _MAY_HEAL:
        return _no_answer(failure)
    if failure.klass is Klass.AUTH and (failure.code, failure.subcode) != NOT_SHOWN:
        return _refusal(_THE_TOKEN, f"Meta refuses it: {failure.rule.reason} (code {failure.code})")
    return _refusal(
        "phoneNumberId",
        f"Meta does not show this number to the access token: code {failure.code}; check the id, and that the token's"
        " system user has the WhatsApp account as an asset",
    )


def waba_refused(failure: GraphFailure) -> InvalidInput | Unavailable:
    """What it means that Meta does not list the numbers of the WABA for the token."""
    if failure.klass in _MAY_HEAL:
        return _no_answer(failure)
    return _refusal(
        "wabaId",
        f"Meta does not show the numbers of this account to the access token: code {failure.code}; check the id, and"
        f" that the token has the permission {LISTING_PERMISSION}",
    )


def numbers_of(answer: Mapping[str, Any]) -> tuple[set[str], str | None]:
    """The ids on one page of a WABA's numbers, and where the next page begins (None: it is the last)."""
    data = answer.get("data")
    ids = {str(one.get("id")) for one in data if isinstance(one, dict)} if isinstance(data, list) else set()
    paging = answer.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, dict) else None
    after = cursors.get("after") if isinstance(cursors, dict) else None
    more = isinstance(paging, dict) and "next" in paging and isinstance(after, str)
    return ids, after if more else None


def judge_token(data: object, waba_id: str | None) -> None:
    """Raises `InvalidInput` when the `data` of `debug_token` says that the token cannot send for the WABA."""
    found = data if isinstance(data, dict) else {}
    if not found.get("is_valid"):
        raise _refusal(_THE_TOKEN, "Meta says that it is not valid, or has expired")
    scopes = found.get("scopes")
    if isinstance(scopes, list) and PERMISSION not in scopes:
        raise _refusal(_THE_TOKEN, f"it lacks the permission {PERMISSION}")
    targets = _targets(found.get("granular_scopes"))
    if waba_id is not None and targets and waba_id not in targets:
        raise _refusal("wabaId", "the access token has no permission to send for this account")


def _targets(granular: object) -> set[str]:
    """The WABAs that the sending permission is limited to; none means all (Meta, "Debug token")."""
    scopes = [scope for scope in granular if isinstance(scope, dict)] if isinstance(granular, list) else []
    ids = [scope.get("target_ids") for scope in scopes if scope.get("scope") == PERMISSION]
    return {str(target) for targets in ids if isinstance(targets, list) for target in targets}


def _refusal(field: str, sentence: str) -> InvalidInput:
    return InvalidInput(
        f"Meta's check of the account failed: {field}: {sentence}",
        code="refused_by_meta",
        details=[{"field": field, "message": sentence}],
    )


def _no_answer(failure: GraphFailure) -> Unavailable:
    said = f"code {failure.code}" if failure.code is not None else failure.rule.reason
    return Unavailable(f"Meta cannot check the account now ({said}); try again", code="meta_unavailable")


def _object_of(response: httpx.Response) -> Mapping[str, Any] | None:
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
