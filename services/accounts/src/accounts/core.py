"""What an account is and how it may change. Pure: documents in, documents out.

A document of `whatsapp_cloud_accounts` (by chatbot id):

    _id, phoneNumberId, wabaId?, status, plan, retention?, revision, unpublished?, createdAt, updatedAt,
    accessToken, webhookVerifyToken            sealed (common.security.key_ring)
    verifyDigest {key, hmac}                   all that ingress is told of the verify token
    verifyTokenDigest {salt, sha256}?          the same from before there were keys, until it is renewed
    tokenRejected {code?, at}?                 Meta refuses the access token

`unpublished` is there from a change until Kafka has it, so that a document is its own outbox.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic.alias_generators import to_camel

from common.contracts.accounts import (
    ACTIVE,
    CHANGED,
    DEACTIVATED,
    VERIFY_TOKEN_MAX,
    VERSION,
    AccountChanged,
    AccountData,
    KeyedDigest,
    Retention,
    TokenDigest,
    messages_days_problem,
)
from common.contracts.ids import derive_id
from common.errors import InvalidInput
from common.security.digests import DigestKeys
from common.security.key_ring import KeyRing, Sealed, place_of
from common.security.pasted import clean
from common.security.verify_tokens import sign_token

ACCESS_TOKEN: Final = "accessToken"  # noqa: S105  # the name of a field
VERIFY_TOKEN: Final = "webhookVerifyToken"  # noqa: S105  # the name of a field
SECRETS: Final = (ACCESS_TOKEN, VERIFY_TOKEN)

REJECTED: Final = "tokenRejected"
DIGEST: Final = "verifyDigest"
SALTED_DIGEST: Final = "verifyTokenDigest"

Document = dict[str, Any]
Plan = Literal["free", "standard", "premium"]
DEFAULT_PLAN: Final[Plan] = "standard"


Days = Annotated[int | None, Field(ge=0, le=36_500)]


class RetentionView(BaseModel):
    """For how many days the account's own documents are kept; 0: for good; null: as the service's settings say."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    messages_days: Days = None
    conversations_days: Days = None
    usage_days: Days = None


class RetentionRequest(RetentionView):
    """The same as a request has it; messages need at least `LEAST_MESSAGES_DAYS`."""

    @field_validator("messages_days")
    @classmethod
    def _long_enough(cls, value: int | None) -> int | None:
        if problem := messages_days_problem(value):
            raise ValueError(problem)
        return value


class AccountRequest(BaseModel):
    """An account to create or update. An update may leave out the two secrets; they stay as they are."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    chatbot_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$", description="letters, digits and . _ : -")]
    phone_number_id: Annotated[str, Field(pattern=r"^[0-9]{5,20}$", description="Meta's id of the number: digits")]
    access_token: Annotated[SecretStr | None, Field(min_length=1, max_length=4096)] = None
    webhook_verify_token: Annotated[SecretStr | None, Field(min_length=1, max_length=VERIFY_TOKEN_MAX)] = None
    waba_id: Annotated[str | None, Field(pattern=r"^[0-9]{5,20}$")] = None
    plan: Plan | None = None
    retention: RetentionRequest | None = None

    @field_validator("access_token", "webhook_verify_token")
    @classmethod
    def _as_pasted(cls, value: SecretStr | None) -> SecretStr | None:
        """Without white space around it, because Meta would refuse every call with it, or ingress every challenge."""
        return value if value is None else SecretStr(clean(value.get_secret_value()))

    @field_validator("access_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().isascii():
            raise ValueError("it has a character beyond ASCII, which no access token of Meta has; copy it again")
        return value


class AccountView(BaseModel):
    """What may be shown of an account."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    chatbot_id: str
    phone_number_id: str
    waba_id: str | None
    status: Literal["active", "deactivated"]
    plan: Plan
    retention: RetentionView | None
    token_status: Literal["unknown", "rejected"]
    token_rejected_code: int | None
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """An update of one document: fields to set and to remove."""

    fields: Document
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """What seals the secrets, and what makes the digest of the verify token."""

    ring: KeyRing
    digests: DigestKeys


def change_for(request: AccountRequest, keys: Keys, now: datetime, *, existing: bool) -> Change:
    """What creating or updating means. Raises `InvalidInput` when a new account lacks a secret."""
    given = {ACCESS_TOKEN: request.access_token, VERIFY_TOKEN: request.webhook_verify_token}
    missing = [name for name, secret in given.items() if secret is None]
    if missing and not existing:
        raise InvalidInput(
            f"a new account needs {' and '.join(missing)}",
            details=[{"field": name, "message": "required"} for name in missing],
        )
    fields: Document = {"phoneNumberId": request.phone_number_id, "status": ACTIVE, "updatedAt": now}
    if request.waba_id is not None:
        fields["wabaId"] = request.waba_id
    if request.plan is not None:
        fields["plan"] = request.plan
    if request.retention is not None:
        fields["retention"] = request.retention.model_dump(by_alias=True, exclude_none=True)
    for name, secret in given.items():
        if secret is not None:
            fields[name] = keys.ring.seal(secret.get_secret_value(), place_of(request.chatbot_id, name))
    removed = [REJECTED] * (request.access_token is not None)
    if request.webhook_verify_token is not None:
        fields[DIGEST] = _digest(keys.digests, request.webhook_verify_token.get_secret_value())
        removed.append(SALTED_DIGEST)
    return Change(fields, removed=tuple(removed))


def renewed_digest(document: Document, keys: Keys) -> Change | None:
    """The verify token's digest under the primary key; None when the account has it. Raises `SecretsError`.

    If there is a salted digest beside it, a process of an older version has stored another token since. `updatedAt`
    stays, because nothing has changed for the account's owner.
    """
    present = document.get(DIGEST, {}).get("key") == keys.digests.primary and SALTED_DIGEST not in document
    if present or VERIFY_TOKEN not in document:
        return None
    token = keys.ring.open(document[VERIFY_TOKEN], place_of(document["_id"], VERIFY_TOKEN))
    return Change({DIGEST: _digest(keys.digests, token)}, removed=(SALTED_DIGEST,))


def _digest(keys: DigestKeys, token: str) -> Document:
    key_id, digest = sign_token(keys, token)
    return {"key": key_id, "hmac": digest}


def deactivation(now: datetime) -> Change:
    """The account may not send; its secrets and history stay."""
    return Change({"status": DEACTIVATED, "updatedAt": now})


def confirmed(change: Change) -> Change:
    """The same change after Meta has accepted the access token: it also removes the mark of a refusal."""
    return replace(change, removed=tuple(dict.fromkeys([*change.removed, REJECTED])))


def rejection(code: int | None, now: datetime) -> Document:
    """The mark that Meta refuses the access token."""
    return {"code": code, "at": now}


def rewrapped(document: Document, keys: KeyRing) -> dict[str, Sealed]:
    """The secrets whose data key is not wrapped by the primary key yet, wrapped by it."""
    renewed = {
        name: keys.rewrap(document[name], place_of(document["_id"], name)) for name in SECRETS if name in document
    }
    return {name: sealed for name, sealed in renewed.items() if sealed is not None}


def retention_of(document: Document) -> RetentionRequest | None:
    """How long the account keeps its own documents, as far as it has a word of its own."""
    own = document.get("retention")
    return RetentionRequest.model_validate(own) if own else None


def view_of(document: Document) -> AccountView:
    """The account without its secrets."""
    rejected = document.get(REJECTED)
    return AccountView(
        chatbot_id=document["_id"],
        phone_number_id=document["phoneNumberId"],
        waba_id=document.get("wabaId"),
        status=document["status"],
        plan=document.get("plan", DEFAULT_PLAN),
        retention=retention_of(document),
        token_status="rejected" if rejected else "unknown",
        token_rejected_code=rejected.get("code") if rejected else None,
        revision=document["revision"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def event_of(document: Document, now: datetime) -> AccountChanged:
    """The account's present state as an event. Its id is that of the revision, so publishing twice is harmless."""
    digest = document.get(DIGEST)
    salted = None if digest else document.get(SALTED_DIGEST)  # without it ingress would not know the token meanwhile
    event_id = derive_id(CHANGED, document["_id"], str(document["revision"]))
    return AccountChanged(
        id=event_id,
        type=CHANGED,
        version=VERSION,
        occurred_at=document["updatedAt"],
        recorded_at=now,
        correlation_id=event_id,
        data=AccountData(
            chatbot_id=document["_id"],
            phone_number_id=document["phoneNumberId"],
            status=document["status"],
            revision=document["revision"],
            verify_token=TokenDigest(**salted) if salted else None,
            verify_digest=KeyedDigest(**digest) if digest else None,
            plan=document.get("plan", DEFAULT_PLAN),
            retention=Retention(**own.model_dump()) if (own := retention_of(document)) else None,
        ),
    )
