"""A failure of MongoDB: callers learn that they may repeat, the log learns why, and no reader learns what people wrote."""

import asyncio
import json
import logging
import sys

import pytest
from bson.errors import InvalidDocument
from pydantic import BaseModel, ValidationError
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, ServerSelectionTimeoutError

from common.errors import Unavailable
from common.kafka.consume.at_least_once import Follower
from common.mongo import or_unavailable
from common.telemetry.logs import JsonFormatter
from common.telemetry.outages import Outage

TEXT = "fake words of a customer"
REFUSED = {
    "DuplicateKeyError": DuplicateKeyError(f"dup key: {TEXT}", 11000, {"keyValue": {"text": TEXT}}),
    "BulkWriteError": BulkWriteError({"writeErrors": [{"code": 121, "op": {"text": TEXT}}]}),
    "OperationFailure": OperationFailure(TEXT, 13),
}


@pytest.mark.parametrize(("name", "error"), REFUSED.items(), ids=REFUSED)
def test_what_people_wrote_is_in_no_answer_and_no_log(name, error, caplog):
    with pytest.raises(Unavailable) as caught, or_unavailable():
        raise error
    assert (caught.value.message, caught.value.error_code) == ("MongoDB is unavailable; try again", "mongo_unavailable")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.error == f"{name} (code {error.code})"


def test_who_does_not_answer_is_in_the_log_alone(caplog, monkeypatch):
    monkeypatch.setattr("common.mongo.compare_and_set.MONGODB", Outage("MongoDB"))
    with pytest.raises(Unavailable) as caught, or_unavailable():
        raise ServerSelectionTimeoutError("mongo-1.invalid:27017: connection refused")
    assert "mongo-1" not in str(caught.value)
    assert "mongo-1.invalid" in caplog.records[0].error


class Named(BaseModel):
    number: int


def raised(error):
    raise error


def logged(error):
    """The line of `log.exception` about an error that was raised because of another."""
    try:
        try:
            raised(error)
        except Exception as first:
            raise RuntimeError("the batch was given back") from first
    except RuntimeError:
        record = logging.makeLogRecord({"name": "x", "msg": "failed", "exc_info": sys.exc_info()})
        return JsonFormatter("conversation").format(record)


@pytest.mark.parametrize(
    "error", [*REFUSED.values(), InvalidDocument(f"cannot encode: {TEXT}")], ids=lambda e: repr(e)[:20]
)
def test_a_traceback_in_a_log_quotes_no_person(error):
    line = logged(error)
    assert TEXT not in line
    said = json.loads(line)["exception"]
    assert type(error).__name__ in said
    assert "in raised" in said
    assert said.endswith("RuntimeError: the batch was given back\n")


def test_nor_does_one_of_several_errors_at_once():
    with pytest.raises(ValidationError) as refused:
        Named(number=TEXT)
    line = logged(ExceptionGroup("two", [refused.value, OSError("disk full")]))
    assert TEXT not in line
    assert "1 values of Named are not as expected" in line
    assert "disk full" in line


async def test_nor_does_a_reader_that_starts_again(caplog):
    class Consumer:
        async def start(self):
            raise REFUSED["BulkWriteError"]

        async def stop(self): ...

    follower = Follower(group="fake", topics=["t"], make_consumer=lambda _: Consumer(), handle=None)
    await follower.start()
    async with asyncio.timeout(5):
        while not caplog.records:
            await asyncio.sleep(0.01)
    await follower.stop()
    assert caplog.records[0].error == "BulkWriteError: code 65"
