"""Settings of the example, from environment variables."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where Kafka is, and which brain answers."""

    # `.env` also has settings of other programs. Without `hide_input_in_errors` an error would show a setting's value.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap_servers: Annotated[str, Field(description="addresses of the brokers, comma separated")] = (
        "localhost:9092"
    )
    ai_group: Annotated[
        str,
        Field(min_length=1, description="consumer group; every group reads every message, and sends its own replies"),
    ] = "ai-responder"
    ai_max_age_seconds: Annotated[
        float,
        Field(gt=0, description="older messages are not answered; the topic keeps 7 days of them"),
    ] = 3600.0
    llm_url: Annotated[
        str | None,
        Field(description="an OpenAI-compatible /chat/completions URL; without it the built-in rules answer"),
    ] = None
    llm_key: Annotated[SecretStr | None, Field(description="API key of the model (Authorization: Bearer …)")] = None
    llm_model: Annotated[str, Field(description="name of the model")] = "gpt-4o-mini"
    llm_prompt: Annotated[str, Field(description="system prompt of the model")] = (
        "You answer customers of a small shop on WhatsApp, in one or two friendly sentences."
    )
    llm_timeout_seconds: Annotated[float, Field(gt=0, description="time limit of an answer; then the rules answer")] = (
        20.0
    )
