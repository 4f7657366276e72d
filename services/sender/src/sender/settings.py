"""The sender's settings, from environment variables."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from common.http.auth import ApiKeySettings
from common.http.clients.accounts import CredentialsSettings
from common.http.clients.conversation import WindowsSettings
from common.http.fetch.fetcher import FetchSettings
from common.http.service.serve import HttpSettings
from common.kafka.consume.dlq_limit import DeadLetterSettings
from common.kafka.settings import KafkaSettings
from common.meta.media.rules import MAX_BYTES as MAX_FILE_BYTES
from common.meta.media.upload import MediaSettings
from common.mongo.client import MongoSettings
from common.security.callbacks import CallbackSettings
from common.security.samples import refuse_samples
from sender.api.batch import MAX_BYTES
from sender.delivery.core import CLAIM_FRESH_SECONDS
from sender.dispatch.model import Bounds
from sender.limits.rates import DEFAULT_RATE


def pair_pace_of(value: object) -> object:
    """`SENDER_PAIR_PACE` was a switch once: on is `strict`."""
    text = str(value).lower()
    return "strict" if text in {"true", "1", "on", "yes"} else "off" if text in {"false", "0", "no"} else value


class Settings(
    KafkaSettings,
    MongoSettings,
    HttpSettings,
    ApiKeySettings,
    MediaSettings,
    FetchSettings,
    CredentialsSettings,
    WindowsSettings,
    DeadLetterSettings,
    CallbackSettings,
):
    """All settings of the sender; the defaults are for production."""

    sender_group: Annotated[str, Field(description="consumer group of the send topics")] = "sender"
    sender_status_group: Annotated[str, Field(description="consumer group of message-status")] = "sender-status"
    sender_conversation_group: Annotated[
        str, Field(description="conversation's CONSUMER_GROUP: while it is behind, a doubt lasts longer")
    ] = "conversation"
    sender_max_in_flight: Annotated[
        int, Field(ge=1, description="sends under way at one time, per process; each has its own call")
    ] = 1_024
    sender_session_records: Annotated[
        int, Field(ge=4, description="messages in memory per partition; further ones wait in MongoDB")
    ] = 2_000
    sender_read_ahead_bytes: Annotated[
        int,
        Field(ge=0, description="bytes of a flood's records that wait while others are looked at first, per process"),
    ] = 64 * 1024 * 1024
    sender_park_seconds: Annotated[
        float, Field(gt=0, description="a message that waits longer than this is moved from memory to MongoDB")
    ] = 5.0
    sender_in_doubt_seconds: Annotated[
        float, Field(gt=0, description="how long Meta must be silent about a send whose answer was lost")
    ] = 30.0
    sender_in_doubt_policy: Annotated[
        Literal["resend", "fail"], Field(description="what happens when no status came in that time")
    ] = "resend"
    sender_pause_seconds: Annotated[
        float, Field(gt=0, description="first pause of a number whose token or account Meta refuses; the pause doubles")
    ] = 30.0
    sender_pause_cap_seconds: Annotated[float, Field(gt=0, description="longest such pause")] = 300.0
    sender_hold_seconds: Annotated[
        float, Field(gt=0, description="how long a message waits while Meta refuses it; then it ends as failed")
    ] = 86_400.0
    sender_messages_per_second: Annotated[
        float, Field(gt=0, description="messages of one number per second, unless Meta reports another limit")
    ] = DEFAULT_RATE
    sender_pair_pace: Annotated[
        Literal["learned", "strict", "off"],
        BeforeValidator(pair_pace_of),
        Field(
            description="Meta's limit per recipient (1 message in 6 s, 45 at once). learned: obeyed by campaigns, and"
            " after Meta has refused a message; strict: obeyed by all; off: left to Meta"
        ),
    ] = "learned"
    sender_plan_weights: Annotated[
        dict[str, Annotated[float, Field(gt=0)]],
        Field(
            min_length=1,
            description='shares of the plans, as JSON: {"free": 1, "premium": 16}; an unknown plan has the least',
        ),
    ] = Field(default_factory=lambda: {"free": 1.0, "standard": 4.0, "premium": 16.0})
    sender_batch_bytes: Annotated[
        int, Field(ge=MAX_BYTES, description="bytes of batches under way at one time, per process; beyond: 429")
    ] = 16 * 1024 * 1024
    sender_uploads: Annotated[
        int, Field(ge=1, description="uploads to `/media` at one time, per process; beyond: 429")
    ] = 16
    sender_uploads_of_chatbot: Annotated[int, Field(ge=1, description="the same for one chatbot")] = 4
    sender_spool_bytes: Annotated[
        int,
        Field(
            ge=MAX_FILE_BYTES,
            description="bytes of files of unknown length that wait on disk, per process; half for one number",
        ),
    ] = 512 * 1024 * 1024
    sender_journal_days: Annotated[
        int, Field(ge=8, description="how long a message id is remembered after its end")
    ] = 30

    def bounds(self) -> Bounds:
        """The limits of a partition's lanes: no chatbot may fill it alone, and no conversation its chatbot's part."""
        total = self.sender_session_records
        return Bounds(
            lane=max(1, total // 20),
            tenant=max(2, total // 2),
            total=total,
            long_seconds=self.sender_park_seconds,
            max_hold_seconds=self.sender_hold_seconds,
        )

    @model_validator(mode="after")
    def _window_outlasts_calls(self) -> Self:
        """A previous owner that was cut off may still be calling, so the doubt window must outlast that call."""
        least = CLAIM_FRESH_SECONDS + self.graph_total_seconds
        if self.sender_in_doubt_seconds <= least:
            raise ValueError(
                f"SENDER_IN_DOUBT_SECONDS must be above {least:g}: a claim may be {CLAIM_FRESH_SECONDS:g} s old when"
                f" its call begins, and the call may take GRAPH_TOTAL_SECONDS ({self.graph_total_seconds:g} s)"
            )
        return self

    @model_validator(mode="after")
    def _no_samples_at_the_real_meta(self) -> Self:
        shown = [key.get_secret_value() for key in (self.accounts_internal_key, self.conversation_internal_key) if key]
        signing = [key.get_secret_value() for key in self.callback_keys.values()]
        refuse_samples(self.graph_base_url, signing=signing, keys=shown, accepted=self.api_keys)
        return self
