"""How an answer says that a secondary gave it (docs/decisions/0051), in its headers and in the OpenAPI document."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Response
from litestar.openapi.spec import OpenAPIFormat, OpenAPIHeader, OpenAPIResponse, OpenAPIType, Operation, Schema

DATA_AS_OF: Final = "X-Data-As-Of"

_HEADER: Final = OpenAPIHeader(
    required=False,
    schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
    description="RFC 3339, whole seconds: MongoDB's primary did not answer in time, and what is shown is what a"
    " secondary knew then; later changes may be missing. Without this header it is the present state",
)


@dataclass
class MayBeBehind(Operation):
    """An operation whose answer may have the header. Litestar forgets `response_headers` where `responses` has 200."""

    def __post_init__(self) -> None:
        """Add the header to the answer's description."""
        good = (self.responses or {})["200"]
        if isinstance(good, OpenAPIResponse):
            good.headers = {**(good.headers or {}), DATA_AS_OF: _HEADER}


def told_as_of(answer: dict[str, Any], moment: datetime | None) -> Response[dict[str, Any]]:
    """The answer, with the moment as of which a secondary knew it. Without one it is the primary's."""
    return Response(answer, headers={} if moment is None else {DATA_AS_OF: moment.strftime("%Y-%m-%dT%H:%M:%SZ")})
