"""Settings of ingress."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from common.http.serve import HttpSettings
from common.kafka.settings import KafkaSettings


class Settings(HttpSettings, KafkaSettings):
    """From the environment."""

    whatsapp_verify_token: Annotated[
        SecretStr | None, Field(description="the verify token of the app's own webhook; accounts may have others")
    ] = None
    whatsapp_app_secrets: Annotated[
        list[SecretStr],
        NoDecode,
        Field(
            default_factory=list,
            description="app secrets, comma separated, several while rotating; without one every webhook is refused",
        ),
    ]
    publish_timeout_seconds: Annotated[
        float, Field(gt=0, le=4.5, description="how long Kafka may take before Meta is told to come again")
    ] = 4.0

    @field_validator("whatsapp_app_secrets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
