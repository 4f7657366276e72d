"""Settings of the example, from environment variables."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where Kafka is, and which brain answers."""

    # `.env` has the settings of other programs, too; and a refused setting is otherwise shown with what was given.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap_servers: str = "localhost:9092"
    ai_group: Annotated[
        str,
        Field(min_length=1, description="consumer group; every group sees every message, and gives its own replies"),
    ] = "ai-responder"
    ai_max_age_seconds: Annotated[
        float,
        Field(gt=0, description="what a customer wrote longer ago is read and not answered: the topic keeps 7 days"),
    ] = 3600.0
    llm_url: Annotated[
        str | None, Field(description="an OpenAI-compatible /chat/completions URL; unset: the built-in rules answer")
    ] = None
    llm_key: SecretStr | None = None
    llm_model: str = "gpt-4o-mini"
    llm_prompt: str = "You answer customers of a small shop on WhatsApp, in one or two friendly sentences."
    llm_timeout_seconds: Annotated[float, Field(gt=0)] = 20.0
