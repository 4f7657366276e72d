"""Where Kafka is and how to log in to it; every process that speaks Kafka includes these settings."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class KafkaSettings(BaseSettings):
    """Connection settings, from `KAFKA_*` environment variables."""

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
    kafka_session_timeout_ms: Annotated[
        int, Field(ge=6_000, description="a consumer silent for this long loses its partitions")
    ] = 10_000
    kafka_transaction_timeout_ms: Annotated[
        int,
        Field(ge=5_000, description="an owner that died holds back read_committed readers for at most this long"),
    ] = 15_000
