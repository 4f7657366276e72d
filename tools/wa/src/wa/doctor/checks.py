"""What the doctor looks at. Every check ends with findings, whatever it meets; none changes anything."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from aiokafka.errors import KafkaError
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from common.errors import Unavailable
from common.kafka.admin import describe_topics
from common.kafka.settings import KafkaSettings
from common.meta.client import GraphSettings
from common.meta.onboarding import Onboarding
from common.mongo import Mongo, MongoError, MongoSettings
from common.security.envelope import KeyRing, KeyRingSettings, SecretsError, place_of
from wa.doctor.findings import (
    Finding,
    judge_hello,
    judge_keys,
    judge_token,
    judge_topics,
    ok,
    problem,
    warning,
)

ACCOUNTS: Final = "whatsapp_cloud_accounts"
_SECRETS: Final = ("accessToken", "webhookVerifyToken")
_TOKENS_AT_MOST: Final = 20
_SECONDS: Final = 6.0


class DoctorSettings(KafkaSettings, MongoSettings, GraphSettings):
    """What the services are told. What is not given is not looked at, and the doctor says so."""

    # A refused setting is otherwise shown with what was given.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    accounts_keks: Annotated[SecretStr | None, Field(description="as accounts has it")] = None
    accounts_primary_kek: str = ""
    whatsapp_app_secrets: Annotated[SecretStr | None, Field(description="as ingress has it")] = None


async def check_kafka(settings: KafkaSettings) -> list[Finding]:
    """Whether brokers answer, and the topics."""
    at = settings.kafka_bootstrap_servers
    try:
        there = await describe_topics(settings, wait_seconds=_SECONDS)
    except (TimeoutError, OSError, KafkaError) as error:
        return [
            problem(
                "kafka",
                f"no broker answers at {at} ({type(error).__name__})",
                "start it, or mend KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL and the network policy in between",
            )
        ]
    return [ok("kafka", f"answers at {at}"), *judge_topics(there)]


async def check_mongodb(mongo: Mongo) -> Finding:
    """Whether it answers, as a replica set with a primary."""
    try:
        return judge_hello(await mongo.client.admin.command("hello"))
    except MongoError as error:
        return problem(
            "mongodb", f"it does not answer ({type(error).__name__})", "start it, or mend MONGODB_URI (a replica set's)"
        )


def key_ring(settings: DoctorSettings) -> KeyRing | Finding:
    """The configured keys, or what is wrong with them."""
    if settings.accounts_keks is None:
        return warning("keys", "ACCOUNTS_KEKS is not set here: secrets and tokens were not looked at", "set it")
    try:
        return KeyRingSettings(
            accounts_keks=_json(settings.accounts_keks), accounts_primary_kek=settings.accounts_primary_kek
        ).key_ring()
    except ValueError as error:
        return problem(
            "keys",
            f"ACCOUNTS_KEKS cannot be used: {_sentence(error)}",
            "it is JSON of ids and base64 of 32 bytes: `python -m common.security.keys new` draws one",
        )


async def check_accounts(mongo: Mongo, keys: KeyRing, settings: DoctorSettings) -> list[Finding]:
    """Whether the secrets of all accounts open, and what Meta says of their tokens and of the app secrets."""
    closed: dict[str, str] = {}
    tokens: dict[str, str] = {}
    try:
        async for document in mongo.database[ACCOUNTS].find({"status": "active"}):
            try:
                opened = _opened(keys, document)
            except SecretsError as error:
                closed[document["_id"]] = str(error)
            else:
                tokens[document["_id"]] = opened
    except MongoError:
        return []  # said by `check_mongodb`
    return [judge_keys(closed, len(tokens)), *await check_meta(tokens, settings)]


def _opened(keys: KeyRing, document: Mapping[str, Any]) -> str:
    secrets = {
        name: keys.open(document[name], place_of(document["_id"], name)) for name in _SECRETS if name in document
    }
    return secrets.get("accessToken", "")


async def check_meta(tokens: Mapping[str, str], settings: DoctorSettings) -> list[Finding]:
    """What Meta says of (at most twenty) tokens, and whether the app secrets are those of the tokens' app."""
    chosen = {chatbot: token for chatbot, token in list(tokens.items())[:_TOKENS_AT_MOST] if token}
    if not chosen:
        return []
    async with _onboarding(settings) as meta:
        try:
            asked = await asyncio.gather(*(meta.inspect(token) for token in chosen.values()))
            inspected = dict(zip(chosen, asked, strict=True))
            findings = [
                judge_token(chatbot, answer if answer is not None else {}, datetime.now(UTC))
                for chatbot, answer in inspected.items()
            ]
            apps = {
                str(answer["app_id"]): chosen[chatbot] for chatbot, answer in inspected.items() if answer and "app_id" in answer
            }
            return [*findings, *await _check_secrets(meta, apps, settings)]
        except Unavailable as error:
            return [problem("meta", error.message, "look at GRAPH_BASE_URL, and whether this machine may reach it")]


async def _check_secrets(meta: Onboarding, apps: Mapping[str, str], settings: DoctorSettings) -> list[Finding]:
    """`apps` has a token of each app."""
    if settings.whatsapp_app_secrets is None:
        return [warning("app secret", "WHATSAPP_APP_SECRETS is not set here: it was not looked at", "set it")]
    secrets = [part.strip() for part in settings.whatsapp_app_secrets.get_secret_value().split(",") if part.strip()]
    found = []
    for app, token in apps.items():
        right = [await meta.inspect(token, by=f"{app}|{secret}") is not None for secret in secrets]
        if any(right):
            found.append(ok("app secret", f"{sum(right)} of {len(right)} belong to the app {app}"))
        else:
            found.append(
                problem(
                    "app secret",
                    f"none of the {len(right)} belongs to the app {app}: its webhooks are answered with 400",
                    "copy it from the app's dashboard: Settings, Basic, App secret (it is not the verify token)",
                )
            )
    return found


def _json(text: SecretStr) -> Any:
    """Raises `ValueError`."""
    try:
        return json.loads(text.get_secret_value())
    except ValueError:
        raise ValueError("it is no JSON") from None


def _sentence(error: ValueError) -> str:
    """What pydantic or we say, without what was given."""
    if isinstance(error, ValidationError):
        return "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors(include_input=False))
    return str(error)


@asynccontextmanager
async def _onboarding(settings: GraphSettings) -> AsyncIterator[Onboarding]:
    meta = Onboarding(settings)
    try:
        yield meta
    finally:
        await meta.close()
