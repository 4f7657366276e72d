"""Settings of accounts."""

from typing import Annotated

from pydantic import Field, SecretStr

from common.http.auth import ApiKeySettings
from common.http.serve import HttpSettings
from common.kafka.settings import KafkaSettings
from common.meta.client import GraphSettings
from common.mongo.client import MongoSettings
from common.security.envelope import KeyRingSettings
from common.security.verify_tokens import KEYS_MEANING, VerifyDigestSettings


class Settings(
    HttpSettings, KafkaSettings, MongoSettings, ApiKeySettings, KeyRingSettings, VerifyDigestSettings, GraphSettings
):
    """From the environment."""

    verify_digest_keys: Annotated[dict[str, SecretStr], Field(min_length=1, description=KEYS_MEANING)]

    internal_port: Annotated[
        int, Field(ge=0, le=65535, description="listener for credentials; only the sender may reach it")
    ] = 8081
    accounts_verify_with_meta: Annotated[
        bool, Field(description="ask Meta about every account before it is stored; `?verify=true` asks about one")
    ] = False
    reconcile_seconds: Annotated[
        float, Field(gt=0, description="how often changes that Kafka did not confirm are published again")
    ] = 2.0
