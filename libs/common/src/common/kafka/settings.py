"""Where Kafka is and how to log in to it; every process that speaks Kafka includes these settings."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.kafka.tls import broker_context

_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


def brokers(text: str) -> str:
    """`text` if it names brokers: the driver finds out when it connects, and is asked for ever. Raises `ValueError`."""
    for broker in text.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if found is None or int((found[2] or ":1")[1:]) not in range(1, 65_536):
            raise ValueError(f"`{broker.strip()}` is not host:port")
    return text


class KafkaSettings(BaseSettings):
    """Connection settings, from `KAFKA_*` environment variables."""

    # A refused setting is otherwise shown with what was given, the password too.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    kafka_bootstrap_servers: Annotated[str, Field(description="host:port[,host:port…] of the brokers")] = (
        "localhost:9092"
    )
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Field(
            description="how to reach the brokers; SASL_SSL (encrypted, with a login) where others share the network"
        ),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Field(description="how to log in, with SASL")
    ] = "SCRAM-SHA-512"
    kafka_sasl_username: Annotated[str | None, Field(description="who logs in, with SASL: one user per service")] = None
    kafka_sasl_password: Annotated[SecretStr | None, Field(description="the password of that user")] = None
    kafka_ca_file: Annotated[
        str | None, Field(description="CA certificate for the brokers; the system's when unset")
    ] = None
    kafka_compression: Annotated[
        Literal["none", "gzip", "lz4", "snappy", "zstd"],
        Field(
            description="how records are compressed; on topics that other programs read, gzip in place of all but none"
        ),
    ] = "zstd"
    kafka_session_timeout_ms: Annotated[
        int, Field(ge=6_000, description="a consumer silent for this long loses its partitions")
    ] = 6_000
    kafka_transaction_timeout_ms: Annotated[
        int,
        Field(
            ge=5_000,
            description="brokers abort a dead owner's transaction after this time if no new owner does",
        ),
    ] = 15_000

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _brokers(cls, value: str) -> str:
        return brokers(value)

    @field_validator("kafka_ca_file", mode="before")
    @classmethod
    def _no_ca_file(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _login_and_certificates(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password
        ):
            protocol = f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}"
            raise ValueError(f"{protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        if self.kafka_security_protocol in ("SSL", "SASL_SSL"):
            try:
                broker_context(self.kafka_ca_file)
            except OSError as error:  # which an SSLError is, too
                raise ValueError(f"KAFKA_CA_FILE cannot be read as certificates: {error}") from None
        return self
