"""The public account API, and the internal one for credentials."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from litestar import Request, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, JSONBody, QueryParameter
from litestar.types import Guard
from pydantic import BaseModel, Field

from accounts import examples
from accounts.announcer import Announcer
from accounts.core import (
    ACCESS_TOKEN,
    REJECTED,
    AccountRequest,
    AccountView,
    Document,
    Keys,
    change_for,
    confirmed,
    deactivation,
    rejection,
    view_of,
)
from accounts.proofs import ProofSlots, check_plan, check_retention, needs_proof
from accounts.store import AccountStore, Expected, unknown
from common.http.auth import ApiKey, check_chatbot
from common.http.openapi import BY_API_KEY
from common.http.openapi_responses import MONGODB_AWAY, UNKNOWN_ACCOUNT, UNKNOWN_PARAMETER, documented
from common.meta.onboarding import Onboarding
from common.security.key_ring import KeyRing, place_of
from common.telemetry.metrics import CREDENTIALS_HANDED, TOKENS_REFUSED

_INT64_MAX: Final = 2**63 - 1  # MongoDB stores no larger number

_SAVING: Final = (
    "An update may leave the two secrets out; they stay as they are. With an API key that is limited to chatbots, Meta"
    " is asked for proof before a new account, another number or WABA, or an activation is stored: the access token"
    " must reach the number, and the number must belong to the WABA. Without proof the answer is 400 `refused_by_meta`"
    " with the field, or 503 when Meta does not answer, and nothing is stored. Such a key may not change the plan or"
    " the retention. A change after another one was stored first is 409 `account_changed`; a number of another active"
    " account is 409 `number_taken`."
)
_UNKNOWN: Final = {400: UNKNOWN_PARAMETER, 404: UNKNOWN_ACCOUNT, 503: MONGODB_AWAY}


class AccountAnswer(BaseModel):
    """One account."""

    success: bool = True
    message: str
    data: AccountView


class Acceptance(BaseModel):
    """Meta accepts the access token of `revision`."""

    revision: Annotated[int, Field(ge=1, le=_INT64_MAX)]


class Rejection(BaseModel):
    """Meta's code for refusing the access token of `revision`."""

    code: Annotated[int | None, Field(ge=-_INT64_MAX, le=_INT64_MAX)] = None
    revision: Annotated[int, Field(ge=1, le=_INT64_MAX)]


@dataclass(frozen=True, slots=True)
class MetaVerification:
    """How Meta is asked about an account, and whether (`always`) about those that need no proof, too."""

    onboarding: Onboarding
    always: bool
    slots: ProofSlots = field(default_factory=ProofSlots)


def public_routes(
    store: AccountStore, announcer: Announcer, keys: Keys, verification: MetaVerification, guard: Guard
) -> Router:
    """Create or update, get, deactivate: scope `accounts`."""
    return Router(
        "/whatsapp-cloud",
        route_handlers=[_save_route(store, announcer, keys, verification), *_account_routes(store, announcer)],
        guards=[guard],
        tags=["accounts"],
        security=BY_API_KEY,
    )


def _save_route(
    store: AccountStore, announcer: Announcer, keys: Keys, verification: MetaVerification
) -> HTTPRouteHandler:
    @post(
        "/account",
        operation_id="saveAccount",
        status_code=200,
        summary="Create or update an account",
        description=_SAVING,
        responses=documented(
            AccountAnswer,
            examples.SAVED,
            "accounts",
            {400: examples.NO_NUMBER, 409: (examples.NUMBER_TAKEN, examples.CHANGED), 503: MONGODB_AWAY},
        ),
    )
    async def save_account(
        request: Request[Any, Any, Any],
        data: Annotated[AccountRequest, Body(examples=[Example(value=examples.REQUEST)])],
        verify: Annotated[
            bool, QueryParameter(description="ask Meta first whether the token reaches the number")
        ] = False,
    ) -> AccountAnswer:
        check_chatbot(request, data.chatbot_id)
        key: ApiKey = request.state.api_key
        now = datetime.now(UTC)
        stored = await store.find(data.chatbot_id)
        check_plan(data, stored, key)
        check_retention(data, stored, key)
        change = change_for(data, keys, now, existing=stored is not None)
        proof = needs_proof(data, stored, key)
        asked = proof or verify or verification.always
        change = confirmed(change) if asked else change  # stored only if Meta confirms it
        if asked:
            with verification.slots.taken(key):
                await _ask_meta(verification.onboarding, (stored or {}) | change.fields, data, keys.ring, proof=proof)
        # What was decided from `stored` is true for that state only: another change in between makes this one a 409.
        only = Expected(stored.get("revision") if stored else None) if asked or not key.operator else None
        document = await store.save(data.chatbot_id, change, now, only)
        await announcer.announce(data.chatbot_id)
        return _answer("Account updated" if stored else "Account created", document)

    return save_account


def _account_routes(store: AccountStore, announcer: Announcer) -> list[HTTPRouteHandler]:
    @get(
        "/account/{chatbot_id:str}",
        operation_id="getAccount",
        summary="Get an account",
        responses=documented(AccountAnswer, examples.FOUND, "accounts", _UNKNOWN),
    )
    async def get_account(request: Request[Any, Any, Any], chatbot_id: FromPath[str]) -> AccountAnswer:
        check_chatbot(request, chatbot_id)
        return _answer("Account found", await store.get(chatbot_id))

    @post(
        "/account/{chatbot_id:str}/deactivate",
        operation_id="deactivateAccount",
        status_code=200,
        summary="Deactivate an account",
        responses=documented(AccountAnswer, examples.DEACTIVATED, "accounts", _UNKNOWN),
    )
    async def deactivate_account(request: Request[Any, Any, Any], chatbot_id: FromPath[str]) -> AccountAnswer:
        check_chatbot(request, chatbot_id)
        document = await store.update(chatbot_id, deactivation(datetime.now(UTC)))
        if document is None:
            raise unknown(chatbot_id)
        await announcer.announce(chatbot_id)
        return _answer("Account deactivated", document)

    return [get_account, deactivate_account]


def internal_routes(store: AccountStore, keys: KeyRing, guard: Guard) -> Router:
    """The internal API, for the sender only: scope `credentials`."""

    @get("/{chatbot_id:str}/credentials")
    async def credentials(request: Request[Any, Any, Any], chatbot_id: FromPath[str]) -> dict[str, Any]:
        check_chatbot(request, chatbot_id)
        document = await store.get(chatbot_id)
        CREDENTIALS_HANDED.labels(document["status"]).inc()
        return {
            "chatbotId": chatbot_id,
            "phoneNumberId": document["phoneNumberId"],
            "accessToken": keys.open(document[ACCESS_TOKEN], place_of(chatbot_id, ACCESS_TOKEN)),
            "revision": document["revision"],
            "status": document["status"],
            "tokenRejected": REJECTED in document,
        }

    @post("/{chatbot_id:str}/token-rejected", status_code=200)
    async def token_rejected(
        request: Request[Any, Any, Any], chatbot_id: FromPath[str], data: JSONBody[Rejection]
    ) -> dict[str, Any]:
        check_chatbot(request, chatbot_id)
        marked = await store.mark_rejected(chatbot_id, rejection(data.code, datetime.now(UTC)), data.revision)
        TOKENS_REFUSED.inc(marked)
        return {"success": True, "data": {"marked": marked}}

    @post("/{chatbot_id:str}/token-accepted", status_code=200)
    async def token_accepted(
        request: Request[Any, Any, Any], chatbot_id: FromPath[str], data: JSONBody[Acceptance]
    ) -> dict[str, Any]:
        check_chatbot(request, chatbot_id)
        return {"success": True, "data": {"cleared": await store.clear_rejected(chatbot_id, data.revision)}}

    return Router("/internal/accounts", route_handlers=[credentials, token_rejected, token_accepted], guards=[guard])


async def _ask_meta(
    onboarding: Onboarding, document: Document, request: AccountRequest, keys: KeyRing, *, proof: bool
) -> None:
    """Ask about the number, the WABA and the access token as they would be stored. Raises as `Onboarding.check` does.

    The secret is opened here and given to Meta alone.
    """
    token = keys.open(document[ACCESS_TOKEN], place_of(request.chatbot_id, ACCESS_TOKEN))
    ask = onboarding.prove if proof else onboarding.check
    await ask(document["phoneNumberId"], document.get("wabaId"), token)


def _answer(message: str, document: Document) -> AccountAnswer:
    return AccountAnswer(message=message, data=view_of(document))
