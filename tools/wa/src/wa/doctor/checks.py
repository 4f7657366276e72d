"""The doctor's checks, except those of Meta. Each returns findings, also after an error. None changes anything."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import httpx
from aiokafka.errors import KafkaError
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from common.contracts import topics
from common.errors import Unavailable
from common.http.auth import ApiKeySettings
from common.kafka.admin import describe_topics
from common.kafka.consume.progress import Progress
from common.kafka.settings import KafkaSettings
from common.meta.client import GraphSettings
from common.mongo import Mongo, MongoError, MongoSettings, OperationFailure, schema
from common.mongo.indexes import compare_indexes
from common.security.key_ring import KeyRing, KeyRingSettings, SecretsError, place_of
from wa.doctor.findings import Finding, Level, ok, problem, warning
from wa.doctor.judge import (
    COPY_WAIT,
    judge_clock,
    judge_copy_wait,
    judge_hello,
    judge_indexes,
    judge_internal_key,
    judge_keys,
    judge_members,
    judge_ready,
    judge_version,
)
from wa.doctor.judge_sends import judge_sends
from wa.doctor.judge_topics import judge_topics
from wa.errors import mongodb_away
from wa.partitions.parked import astray, parked_sends, scheduled_beyond

ACCOUNTS: Final = schema.ACCOUNTS.name
_SECRETS: Final = ("accessToken", "webhookVerifyToken")
_SECONDS: Final = 6.0
_MEMBERS_SECONDS: Final = 3.0


class KeksSettings(MongoSettings):
    """Where secrets are stored, and the keys that decrypt them."""

    accounts_keks: Annotated[SecretStr | None, Field(description="as accounts has it")] = None
    accounts_primary_kek: Annotated[str, Field(description="as accounts has it")] = ""


class DoctorSettings(KeksSettings, KafkaSettings, GraphSettings, ApiKeySettings):
    """The settings of the services. Without one of them its check is skipped, and a finding says so."""

    # Otherwise the error of a refused setting would show its value.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    accounts_internal_key: Annotated[SecretStr | None, Field(description="as sender has it")] = None
    conversation_internal_key: Annotated[SecretStr | None, Field(description="as sender has it")] = None
    whatsapp_app_secret: Annotated[SecretStr | None, Field(description="as ingress has it")] = None
    whatsapp_app_secrets: Annotated[SecretStr | None, Field(description="as ingress has it")] = None
    whatsapp_app_id: Annotated[
        str, Field(description="id of the Meta app; without it, the doctor takes it from a valid token")
    ] = ""


async def check_kafka(settings: KafkaSettings) -> list[Finding]:
    """Checks the brokers and the topics."""
    at = settings.kafka_bootstrap_servers
    try:
        there = await describe_topics(settings)
    except (TimeoutError, OSError, KafkaError) as error:
        return [
            problem(
                "kafka",
                f"no broker answers at {at} ({type(error).__name__})",
                "start it, or correct KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL, the login (KAFKA_SASL_*) and"
                " the network policy in between",
            )
        ]
    return [ok("kafka", f"answers at {at}"), *judge_topics(there)]


async def check_mongodb(mongo: Mongo) -> list[Finding]:
    """Checks that it is a replica set with a primary, its version, its clock, how it copies, and our indexes."""
    try:
        asked = datetime.now(UTC)
        hello = await mongo.client.admin.command("hello")
        meanwhile = asked + (datetime.now(UTC) - asked) / 2
        version = (await mongo.client.admin.command("buildInfo"))["version"]
        found = [judge_hello(hello), judge_version(version), judge_clock(_aware(hello["localTime"]), meanwhile)]
        if found[0].level is Level.PROBLEM:
            return found
        hosts: Sequence[str] = hello.get("hosts", [])
        if mongo.client.topology_description.topology_type_name != "Single":  # directConnection: no other is asked
            found += judge_members(hosts, await _answering(mongo, len(hosts)))
        found += judge_copy_wait(await copy_wait(mongo), len(hosts))
        standings = {one.name: await compare_indexes(mongo.database, one) for one in schema.ALL}
    except (MongoError, Unavailable) as error:
        return [problem("mongodb", *mongodb_away(error))]
    return [*found, *judge_indexes(standings)]


async def _answering(mongo: Mongo, members: int) -> frozenset[tuple[str, int | None]]:
    """The members that the driver has reached, as soon as it has reached all."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_MEMBERS_SECONDS):
            while len(mongo.client.nodes) < members:
                await asyncio.sleep(0.05)
    return mongo.client.nodes


async def copy_wait(mongo: Mongo) -> int:
    """The parameter of the primary, in seconds; 0 where it does not exist, or this user may not read it."""
    try:
        told = await mongo.client.admin.command({"getParameter": 1, COPY_WAIT: 1})
    except OperationFailure:
        return 0
    return int(told[COPY_WAIT])


async def check_sends(mongo: Mongo, settings: KafkaSettings) -> list[Finding]:
    """Checks that what waits in MongoDB stands at partitions that exist, and where its chatbot's next sends go."""
    progress = Progress(settings)
    try:
        ends = {tp.partition: end for tp, end in (await progress.ends(topics.SEND.name)).items()}
        parked = astray(await parked_sends(mongo.database), len(ends), ends)
        gone = await scheduled_beyond(mongo.database, len(ends))
    except (KafkaError, MongoError, Unavailable, TimeoutError, OSError):
        return []  # said by the checks of both
    finally:
        await progress.close()
    return judge_sends(parked, gone)


def check_internal_keys(settings: DoctorSettings) -> list[Finding]:
    """Checks the keys with which sender calls accounts and conversation."""
    keys = (
        ("ACCOUNTS_INTERNAL_KEY", settings.accounts_internal_key, "credentials"),
        ("CONVERSATION_INTERNAL_KEY", settings.conversation_internal_key, "windows"),
    )
    return [_internal_key(settings, name, key, scope) for name, key, scope in keys]


def _internal_key(settings: DoctorSettings, name: str, key: SecretStr | None, scope: str) -> Finding:
    unset = "API_KEYS" if not settings.api_keys else name if key is None else None
    if key is None or unset:
        return warning(name.lower(), f"not checked: {unset} is not set here", "set it as the services have it")
    return judge_internal_key(name, key.get_secret_value(), scope, settings.api_keys)


def key_ring(settings: KeksSettings) -> KeyRing | Finding:
    """The configured keys, or what is wrong with them."""
    if settings.accounts_keks is None:
        return warning(
            "keys",
            "secrets and tokens were not checked: ACCOUNTS_KEKS is not set here",
            "set it as the services have it",
        )
    try:
        return KeyRingSettings(
            accounts_keks=_json(settings.accounts_keks), accounts_primary_kek=settings.accounts_primary_kek
        ).key_ring()
    except ValueError as error:
        return problem(
            "keys",
            f"ACCOUNTS_KEKS cannot be used: {_sentence(error)}",
            "it must be a JSON object of ids and base64 of 32 bytes; `wa keys new` makes one",
        )


async def check_secrets(mongo: Mongo, keys: KeyRing) -> tuple[list[Finding], dict[str, str]]:
    """Checks that the secrets of all active accounts can be decrypted; also returns their access tokens, by chatbot."""
    closed: dict[str, str] = {}
    tokens: dict[str, str] = {}
    try:
        async for document in mongo.database[ACCOUNTS].find({"status": "active"}):
            try:
                tokens[document["_id"]] = _opened(keys, document)
            except SecretsError as error:
                closed[document["_id"]] = str(error)
    except MongoError:
        return [], {}  # said by `check_mongodb`
    return [judge_keys(closed, len(tokens))], {chatbot: token for chatbot, token in tokens.items() if token}


def _opened(keys: KeyRing, document: Mapping[str, Any]) -> str:
    secrets = {
        name: keys.open(document[name], place_of(document["_id"], name)) for name in _SECRETS if name in document
    }
    return secrets.get("accessToken", "")


async def check_services(urls: Sequence[str]) -> list[Finding]:
    """Asks the services at these base URLs whether they are ready."""
    async with httpx.AsyncClient(timeout=_SECONDS) as client:
        return await asyncio.gather(*(_check_service(client, url.rstrip("/")) for url in urls))


async def _check_service(client: httpx.AsyncClient, url: str) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS):  # the client's own time-out starts again with each byte
            answer = await client.get(f"{url}/health/ready")
        checks = answer.json().get("checks", {})
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return problem(url, f"it does not answer ({type(error).__name__})", "start it, or correct the URL")
    except (ValueError, AttributeError):
        return problem(
            url, "the answer is not from one of our services", "give the base URL of a service: http://ingress:8000"
        )
    return judge_ready(url, answer.status_code, checks)


def _aware(moment: datetime) -> datetime:
    """MongoDB's times are UTC, but commands return them without a time zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(text: SecretStr) -> Any:
    """Raises `ValueError`."""
    try:
        return json.loads(text.get_secret_value())
    except ValueError:
        raise ValueError("it is not JSON") from None


def _sentence(error: ValueError) -> str:
    """The message of pydantic or of our check, without the value that was given."""
    if isinstance(error, ValidationError):
        return "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors(include_input=False))
    return str(error)
