"""A failure of MongoDB: callers learn that they may repeat, the log learns why, nobody reads what people wrote."""

import logging

import pytest
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, ServerSelectionTimeoutError

from common.errors import Unavailable
from common.mongo import or_unavailable

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
    assert (caught.value.message, caught.value.error_code) == ("MongoDB did not do it; try again", "mongo_unavailable")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.error == f"{name} (code {error.code})"


def test_who_does_not_answer_is_in_the_log_alone(caplog):
    with pytest.raises(Unavailable) as caught, or_unavailable():
        raise ServerSelectionTimeoutError("mongo-1.invalid:27017: connection refused")
    assert "mongo-1" not in str(caught.value)
    assert "mongo-1.invalid" in caplog.records[0].error
