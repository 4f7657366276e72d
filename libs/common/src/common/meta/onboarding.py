"""Asking Meta, before an account is stored, whether its access token may send with its number.

Two questions, of the token that is to be stored: `GET /{phone number id}`, which only a token that reaches the number
can read, and `GET /debug_token`, which tells the token's permissions (Meta, "Access tokens", "Debug token").
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

_THE_TOKEN: Final = "accessToken"  # noqa: S105  # the name of a field
_APP_REFUSED: Final = frozenset({1, 101})
"""What Meta also says of an app's token whose secret, or app, is wrong: elsewhere these codes pass."""
_MAY_HEAL: Final = frozenset({Klass.RETRY, Klass.THROTTLE, Klass.WAIT, Klass.AMBIGUOUS})


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
        number = await self._ask(phone_number_id, token, {"fields": "id"})
        if isinstance(number, GraphFailure):
            raise number_refused(number)
        inspected = await self._ask("debug_token", token, {"input_token": token})
        if isinstance(inspected, GraphFailure):
            if inspected.klass in _MAY_HEAL:
                raise _no_answer(inspected)
            return  # it may read the number and not itself: the number has to do
        judge_token(inspected.get("data"), waba_id)

    async def inspect(self, token: str, *, by: str | None = None) -> Mapping[str, Any] | None:
        """What Meta says of `token` (`debug_token`); None when it refuses whoever asks.

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
    if failure.klass is Klass.AUTH:
        return _refusal(_THE_TOKEN, f"Meta refuses it: {failure.rule.reason} (code {failure.code})")
    return _refusal(
        "phoneNumberId",
        f"Meta does not show this number to the access token: code {failure.code}; check the id, and that the token's"
        " system user has the WhatsApp account as an asset",
    )


def judge_token(data: object, waba_id: str | None) -> None:
    """Raises `InvalidInput` when the `data` of `debug_token` says that the token cannot send for the WABA."""
    found = data if isinstance(data, dict) else {}
    if not found.get("is_valid"):
        raise _refusal(_THE_TOKEN, "Meta says that it is not valid (any more)")
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
