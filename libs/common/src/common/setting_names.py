"""Variables of the environment that look like a setting of ours and that nothing reads. Pure."""

import difflib
import re
from collections.abc import Container, Iterable
from typing import Final

PREFIX: Final = "WHATSAPP_"
"""No other program's variables begin with this, so each unknown one is named."""

KNOWN: Final = frozenset(
    """
    ACCOUNTS_INTERNAL_KEY ACCOUNTS_INTERNAL_URL ACCOUNTS_KEKS ACCOUNTS_PRIMARY_KEK ACCOUNTS_VERIFY_WITH_META
    API_KEYS BATCH_RECORDS CALLBACK_ACCEPT_UNSIGNED CALLBACK_KEYS CALLBACK_PRIMARY_KEY CONSUMER_GROUP
    CONVERSATIONS_DAYS CONVERSATION_INTERNAL_KEY CONVERSATION_INTERNAL_URL CREDENTIALS_TTL_SECONDS
    DLQ_LIMIT DLQ_LIMIT_SHARE DLQ_LIMIT_TENANTS FETCH_PLAIN_HTTP FETCH_PRIVATE_ADDRESSES FETCH_SECONDS
    GRAPH_BASE_URL GRAPH_CONNECT_SECONDS GRAPH_TOTAL_SECONDS GRAPH_UPLOAD_SECONDS GRAPH_VERSION
    HTTP_BODY_SECONDS HTTP_HEADER_SECONDS HTTP_HOST HTTP_MAX_BODY_BYTES_IN_FLIGHT HTTP_MAX_CONNECTIONS
    HTTP_MAX_HEADER_BYTES HTTP_PORT INTERNAL_PORT
    KAFKA_BOOTSTRAP_SERVERS KAFKA_CA_FILE KAFKA_COMPRESSION KAFKA_SASL_MECHANISM KAFKA_SASL_PASSWORD KAFKA_SASL_USERNAME
    KAFKA_SECURITY_PROTOCOL KAFKA_SESSION_TIMEOUT_MS KAFKA_TRANSACTION_TIMEOUT_MS LIVE_SECONDS LOG_LEVEL
    MESSAGES_DAYS METRICS METRICS_TENANTS MONGODB_DATABASE MONGODB_URI OTEL_EXPORTER_OTLP_ENDPOINT
    PUBLISH_TIMEOUT_SECONDS READ_STALE_SECONDS RECONCILE_SECONDS
    SENDER_BATCH_BYTES SENDER_CONVERSATION_GROUP SENDER_GROUP SENDER_HOLD_SECONDS SENDER_IN_DOUBT_POLICY
    SENDER_IN_DOUBT_SECONDS SENDER_JOURNAL_DAYS SENDER_MAX_IN_FLIGHT SENDER_MESSAGES_PER_SECOND SENDER_PAIR_PACE
    SENDER_PARK_SECONDS SENDER_PAUSE_CAP_SECONDS SENDER_PAUSE_SECONDS SENDER_PLAN_WEIGHTS SENDER_READ_AHEAD_BYTES
    SENDER_SESSION_RECORDS SENDER_SPOOL_BYTES SENDER_STATUS_GROUP SENDER_UPLOADS SENDER_UPLOADS_OF_CHATBOT
    SHUTDOWN_SECONDS
    TRACE_SAMPLE_RATIO USAGE_LOG_DAYS VERIFY_DIGEST_KEYS VERIFY_DIGEST_PRIMARY_KEY WEBHOOK_LOG_DAYS
    WHATSAPP_APP_ID WHATSAPP_APP_SECRET WHATSAPP_APP_SECRETS WHATSAPP_VERIFY_TOKEN WINDOWS_TIMEOUT_SECONDS
    """.split()  # noqa: SIM905  # eighty quoted names would be a page
)
"""Every variable that a program of ours reads. One `.env` serves all, so each program knows all."""

_SHARED: Final = frozenset({"API", "LOG", "METRICS", "OTEL"})
"""Other programs have variables with these first words, and names that differ from ours by a letter."""

_OF_KUBERNETES: Final = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP).*)?)$")
"""Kubernetes sets these for each Service of the namespace ("Service: environment variables")."""

_CLOSE: Final = 0.88
"""`KAFKA_BOOTSTRAP_SERVER` is closer to ours than this; `KAFKA_SSL_KEY_PASSWORD` (of a broker) is not."""


def unknown_variables(names: Iterable[str]) -> list[str]:
    """A sentence for each variable of an environment that looks like a misspelt setting of ours.

    With the prefix `WHATSAPP_` that is each unknown one. With another first word of ours, such as `KAFKA`, it is one
    that is spelt almost like a setting that the environment lacks: other programs have variables with such words.
    """
    given = {name.upper(): name for name in names}
    unknown = [name for name in sorted(given) if name not in KNOWN and not _OF_KUBERNETES.search(name)]
    found = ((name, _nearest(name) if name.startswith(PREFIX) else _meant(name, given)) for name in unknown)
    return [_sentence(given[name], meant) for name, meant in found if meant is not None]


def _nearest(name: str) -> str:
    of_prefix = sorted(known for known in KNOWN if known.startswith(PREFIX))
    return difflib.get_close_matches(name, of_prefix, n=1, cutoff=0.0)[0]


def _meant(name: str, given: Container[str]) -> str | None:
    """The setting that was meant, if `name` is spelt almost like it and the environment lacks it."""
    word = name.partition("_")[0]
    candidates = sorted(known for known in KNOWN if known.startswith(word) and word not in _SHARED)
    for known in difflib.get_close_matches(name, candidates, n=1, cutoff=_CLOSE):
        return known if known not in given and not _has_more_words(name, known) else None
    return None


def _has_more_words(name: str, known: str) -> bool:
    """Whether `name` is `known` with words added: `KAFKA_UI_BOOTSTRAP_SERVERS` is a name of another program."""
    words = iter(name.split("_"))
    return all(word in words for word in known.split("_"))


def _sentence(name: str, meant: str) -> str:
    more = " (`wa init` writes all; phone numbers and access tokens are saved with POST /whatsapp-cloud/account)"
    ours = name.upper().startswith(PREFIX)
    return f"{name} is not a setting and has no effect; the nearest one is {meant}{more if ours else ''}"
