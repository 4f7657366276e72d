"""Settings of ingress."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.http.service.serve import HttpSettings
from common.kafka.settings import KafkaSettings
from common.security.signature import app_secrets
from common.security.verify_tokens import VerifyDigestSettings


class Settings(HttpSettings, KafkaSettings, VerifyDigestSettings):
    """From the environment."""

    # Otherwise the error of a wrong setting shows its value.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    whatsapp_verify_token: Annotated[
        SecretStr | None, Field(description="the verify token of the app's own webhook; accounts may have others")
    ] = None
    whatsapp_app_secret: Annotated[
        SecretStr | None, Field(description="the app secret of the Meta app; without one, every webhook is refused")
    ] = None
    whatsapp_app_secrets: Annotated[
        list[Annotated[SecretStr, Field(min_length=1)]],  # any client can sign with an empty one
        NoDecode,
        Field(
            default_factory=list,
            description="more app secrets, while rotating or for several apps: comma separated or as a JSON array",
        ),
    ]
    publish_timeout_seconds: Annotated[
        float, Field(gt=0, le=4.5, description="how long Kafka may take before Meta is told to deliver again")
    ] = 4.0

    @field_validator("whatsapp_app_secrets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return app_secrets(value) if isinstance(value, str) else value

    @field_validator("whatsapp_app_secret")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            app_secrets(value.get_secret_value())
        return value

    @field_validator("whatsapp_verify_token")
    @classmethod
    def _trimmed(cls, value: SecretStr | None) -> SecretStr | None:
        """An empty token counts as not set: otherwise a caller without a token would have the right one."""
        token = value.get_secret_value().strip() if value is not None else ""
        return SecretStr(token) if token else None

    def app_secrets(self) -> list[str]:
        """Every app secret, each once: a body that one of them signs is Meta's."""
        single = self.whatsapp_app_secret.get_secret_value() if self.whatsapp_app_secret else ""
        several = [secret.get_secret_value() for secret in self.whatsapp_app_secrets]
        return list(dict.fromkeys([*app_secrets(single), *several]))
