"""Documents that MongoDB will never take: the document is at fault, so trying again does not help. Pure."""

from typing import Any, Final

from bson import encode
from bson.codec_options import TypeDecoder
from bson.dbref import DBRef
from bson.errors import InvalidDocument
from bson.int64 import Int64
from pymongo.errors import BulkWriteError, OperationFailure

_REFUSED: Final = frozenset(
    {
        2,  # BadValue: "object to insert too large", among others
        15,  # Overflow: nested deeper than 180 levels
        22,  # InvalidBSON
        52,  # DollarPrefixedFieldName
        53,  # InvalidIdField
        57,  # DottedFieldName
        10334,  # BSONObjectTooLarge
        17280,  # KeyTooLong
        17419,  # the document is too large after an update
        17420,  # the document is too large after an update
    }
)
"""From MongoDB's list of error codes (`error_codes.yml`), and observed with MongoDB 8."""


def refuses_document(error: BaseException) -> bool:
    """Whether MongoDB refused a document for what it holds; otherwise the same write may succeed later."""
    if isinstance(error, BulkWriteError):
        failed = (error.details or {}).get("writeErrors", ())
        return any(item.get("code") in _REFUSED for item in failed)
    return isinstance(error, OperationFailure) and error.code in _REFUSED


def encoding_error(document: dict[str, Any]) -> str | None:
    """Why a document cannot be written as BSON (NUL in a key, a number beyond 64 bits, …); None: it can."""
    try:
        encode(document)
    except (InvalidDocument, OverflowError, UnicodeError, RecursionError) as error:
        return str(error)
    return None


class PlainReferences(TypeDecoder):
    """Reads an object with `$ref` and `$id` as the object it is, and not as the driver's reference (`DBRef`)."""

    bson_type = DBRef

    def transform_bson(self, value: DBRef) -> dict[str, Any]:
        """The fields as they were stored; a `$db` of null is left out."""
        return dict(value.as_doc())


class PlainIntegers(TypeDecoder):
    """Reads a whole number of more than 32 bits as an `int`: the driver's own `Int64` cannot go into an event."""

    bson_type = Int64

    def transform_bson(self, value: Int64) -> int:
        """The same number."""
        return int(value)
