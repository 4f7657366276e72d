"""Settings of the example, from environment variables."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Where Kafka is, and which brain answers."""

    kafka_bootstrap_servers: str = "localhost:9092"
    ai_group: Annotated[str, Field(description="consumer group; every group sees every message")] = "ai-responder"
    llm_url: Annotated[
        str | None, Field(description="an OpenAI-compatible /chat/completions URL; unset: the built-in rules answer")
    ] = None
    llm_key: SecretStr | None = None
    llm_model: str = "gpt-4o-mini"
    llm_prompt: str = "You answer customers of a small shop on WhatsApp, in one or two friendly sentences."
    llm_timeout_seconds: Annotated[float, Field(gt=0)] = 20.0
