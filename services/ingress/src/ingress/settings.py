"""Settings of ingress."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.http.serve import HttpSettings
from common.kafka.settings import KafkaSettings
from common.security.signature import app_secrets
from common.security.verify_tokens import VerifyDigestSettings


class Settings(HttpSettings, KafkaSettings, VerifyDigestSettings):
    """From the environment."""

    # A refused setting is otherwise shown with what was given.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    whatsapp_verify_token: Annotated[
        SecretStr | None, Field(description="the verify token of the app's own webhook; accounts may have others")
    ] = None
    whatsapp_app_secrets: Annotated[
        list[Annotated[SecretStr, Field(min_length=1)]],  # anybody can sign with an empty one
        NoDecode,
        Field(
            default_factory=list,
            description="app secrets, comma separated or as JSON, several while rotating; with none, all is refused",
        ),
    ]
    publish_timeout_seconds: Annotated[
        float, Field(gt=0, le=4.5, description="how long Kafka may take before Meta is told to come again")
    ] = 4.0

    @field_validator("whatsapp_app_secrets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return app_secrets(value) if isinstance(value, str) else value
