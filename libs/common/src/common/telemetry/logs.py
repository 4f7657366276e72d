"""Logs: one JSON object a line on stdout, with secrets and message texts kept out.

Fields come from `extra=`; a field whose name speaks of a secret or of a person's words is replaced, whatever it
holds. Texts and phone numbers do not belong in log calls at all: this is the net below that rule. What a task does for
a traced exchange says so: `trace_id` and `span_id` are those of its spans. Exceptions are written by
`common.telemetry.safe_errors`, which leaves out what some of them quote.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from common.telemetry.mongo_lines import MongoLines
from common.telemetry.outages import KAFKA, MONGODB, KafkaLines
from common.telemetry.safe_errors import traceback_of
from common.telemetry.spans import current

REDACTED = "[redacted]"
_COMMON = "common"

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_SENSITIVE = (
    "token",
    "secret",
    "password",
    "authorization",
    "signature",
    "text",
    "body",
    "phone",
    "wa_id",
    "to_number",
)
_HARMLESS = frozenset({"phone_number_id", "body_bytes", "body_id"})
_OURS = frozenset({"time", "level", "service", "logger", "exception"})


def redact(name: str, value: object) -> object:
    """`value`, or a placeholder when a field of this name may hold a secret or personal data."""
    lowered = name.lower()
    if lowered in _HARMLESS or not any(word in lowered for word in _SENSITIVE):
        return value
    return REDACTED


class JsonFormatter(logging.Formatter):
    """One line of JSON per record."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, its extra fields beside the standard ones."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        trace = current()
        if trace is not None:
            fields.update(trace_id=trace.trace_id, span_id=trace.span_id, correlation_id=trace.correlation_id)
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                # Searches rely on the standard fields: a field of the same name stands beside them.
                fields[f"{name}_" if name in _OURS else name] = redact(name, value)
        if record.exc_info and record.exc_info[1]:
            fields["exception"] = traceback_of(record.exc_info[1])
        return json.dumps(fields, default=str, ensure_ascii=False)


def configure_logging(service: str, level: str = "INFO") -> None:
    """Send everything to stdout as JSON. Call once, at the start of a process.

    DEBUG is for our own loggers. Libraries are never below INFO: there the driver of MongoDB logs each command with its
    documents, and so what people wrote.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    handler.addFilter(KafkaLines(KAFKA))
    handler.addFilter(MongoLines(MONGODB))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    root = logging.getLogger()
    for ours in (service, _COMMON):
        logging.getLogger(ours).setLevel(root.level)
    root.setLevel(max(root.level, logging.INFO))
    # One line for every request or record would cost more than the work; what matters is logged by the services.
    for chatty in (
        "uvicorn.access",
        "uvicorn.error",  # its name for everything else; `serve` says what is worth saying
        "aiokafka.consumer.group_coordinator",
        "aiokafka.consumer.subscription_state",
        "httpx",
        "aiokafka.producer.sender",
        "aiokafka.consumer.consumer",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
