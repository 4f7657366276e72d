"""The public account API, and the internal one for credentials."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import Guard
from pydantic import BaseModel, Field

from accounts.announcer import Announcer
from accounts.core import (
    ACCESS_TOKEN,
    AccountRequest,
    AccountView,
    Document,
    change_for,
    deactivation,
    rejection,
    view_of,
)
from accounts.store import AccountStore
from common.errors import NotFound
from common.http.auth import check_chatbot
from common.http.documents import BY_API_KEY
from common.meta.onboarding import Onboarding
from common.security.envelope import KeyRing, place_of
from common.telemetry.metrics import CREDENTIALS_HANDED, TOKENS_REFUSED


class AccountAnswer(BaseModel):
    """One account."""

    success: bool = True
    message: str
    data: AccountView


class Rejection(BaseModel):
    """Meta's code for refusing the access token of `revision`."""

    code: int | None = None
    revision: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether Meta is asked about accounts that nobody asked to verify, and how."""

    onboarding: Onboarding
    always: bool


def public_routes(
    store: AccountStore, announcer: Announcer, keys: KeyRing, verification: Verification, guard: Guard
) -> Router:
    """Create or update, get, deactivate: scope `accounts`."""

    @post("/account", status_code=200, summary="Create or update an account")
    async def save_account(
        request: Request[Any, Any, Any],
        data: JSONBody[AccountRequest],
        verify: Annotated[
            bool, QueryParameter(description="ask Meta first whether the token reaches the number")
        ] = False,
    ) -> AccountAnswer:
        check_chatbot(request, data.chatbot_id)
        now = datetime.now(UTC)
        stored = await store.find(data.chatbot_id)
        change = change_for(data, keys, secrets.token_hex(16), now, existing=stored is not None)
        if verify or verification.always:
            await verification.onboarding.check(
                data.phone_number_id, *_to_verify((stored or {}) | change.fields, data.chatbot_id, keys)
            )
        document = await store.save(data.chatbot_id, change, now)
        await announcer.announce(data.chatbot_id)
        return _answer("Account updated" if stored else "Account created", document)

    @get("/account/{chatbot_id:str}", summary="Get an account")
    async def get_account(request: Request[Any, Any, Any], chatbot_id: FromPath[str]) -> AccountAnswer:
        check_chatbot(request, chatbot_id)
        return _answer("Account found", await store.get(chatbot_id))

    @post("/account/{chatbot_id:str}/deactivate", status_code=200, summary="Deactivate an account")
    async def deactivate_account(request: Request[Any, Any, Any], chatbot_id: FromPath[str]) -> AccountAnswer:
        check_chatbot(request, chatbot_id)
        document = await store.update(chatbot_id, deactivation(datetime.now(UTC)))
        if document is None:
            raise NotFound(f"there is no account for the chatbot `{chatbot_id}`", code="unknown_account")
        await announcer.announce(chatbot_id)
        return _answer("Account deactivated", document)

    return Router(
        "/whatsapp-cloud",
        route_handlers=[save_account, get_account, deactivate_account],
        guards=[guard],
        tags=["accounts"],
        security=BY_API_KEY,
    )


def internal_routes(store: AccountStore, keys: KeyRing, guard: Guard) -> Router:
    """What the sender alone may ask: scope `credentials`."""

    @get("/{chatbot_id:str}/credentials")
    async def credentials(chatbot_id: FromPath[str]) -> dict[str, Any]:
        document = await store.get(chatbot_id)
        CREDENTIALS_HANDED.labels(document["status"]).inc()
        return {
            "chatbotId": chatbot_id,
            "phoneNumberId": document["phoneNumberId"],
            "accessToken": keys.open(document[ACCESS_TOKEN], place_of(chatbot_id, ACCESS_TOKEN)),
            "revision": document["revision"],
            "status": document["status"],
        }

    @post("/{chatbot_id:str}/token-rejected", status_code=200)
    async def token_rejected(chatbot_id: FromPath[str], data: JSONBody[Rejection]) -> dict[str, Any]:
        marked = await store.mark_rejected(chatbot_id, rejection(data.code, datetime.now(UTC)), data.revision)
        TOKENS_REFUSED.inc(marked)
        return {"success": True, "data": {"marked": marked}}

    return Router("/internal/accounts", route_handlers=[credentials, token_rejected], guards=[guard])


def _to_verify(document: Document, chatbot_id: str, keys: KeyRing) -> tuple[str | None, str]:
    """The WABA and the access token as they would be stored, for Meta alone."""
    return document.get("wabaId"), keys.open(document[ACCESS_TOKEN], place_of(chatbot_id, ACCESS_TOKEN))


def _answer(message: str, document: Document) -> AccountAnswer:
    return AccountAnswer(message=message, data=view_of(document))
