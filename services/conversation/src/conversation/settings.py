"""Settings of conversation."""

from typing import Annotated

from pydantic import Field, field_validator

from common.contracts.accounts import messages_days_problem
from common.http.auth import ApiKeySettings
from common.http.service.serve import HttpSettings
from common.kafka.consume.dlq_limit import DeadLetterSettings
from common.kafka.settings import KafkaSettings
from common.mongo import MongoSettings, StaleReadSettings
from common.security.callbacks import CallbackSettings


class Settings(
    HttpSettings,
    KafkaSettings,
    MongoSettings,
    StaleReadSettings,
    ApiKeySettings,
    DeadLetterSettings,
    CallbackSettings,
):
    """From the environment."""

    internal_port: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="listener for service windows, for the sender only; none if not set",
        ),
    ] = None
    consumer_group: Annotated[
        str, Field(description="Kafka consumer group; a new name starts without committed offsets")
    ] = "conversation"
    sender_group: Annotated[
        str, Field(description="the sender's consumer group of the send topics, as sender has it")
    ] = "sender"
    batch_records: Annotated[int, Field(ge=1, le=5_000, description="records in one MongoDB transaction")] = 2_000
    webhook_log_days: Annotated[int, Field(ge=1, description="how long webhook_events are kept")] = 30
    messages_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="how long messages are kept: 30 or more, or 0: for good. An account may say otherwise",
        ),
    ] = 365
    conversations_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="how long a conversation without messages is kept after its last one; 0: for good",
        ),
    ] = 730
    usage_log_days: Annotated[
        int, Field(ge=0, le=36_500, description="how long usage_logs are kept; the counters stay; 0: for good")
    ] = 180
    live_seconds: Annotated[float, Field(gt=0, description="not live when no attempt has ended for this long")] = 120.0

    @field_validator("messages_days")
    @classmethod
    def _long_enough(cls, value: int) -> int:
        if problem := messages_days_problem(value):
            raise ValueError(problem)
        return value
