"""The parameters of a template's components.

Meta refuses a text with a line break, a tab or more than four spaces in a row (132018), and so does this: before the
send, with the parameter's path. Meta's sentence is about the `text` of a parameter of the type `text`. Whether it holds
for a code, a payload, a fallback or a place's name is not published, so these go to Meta as they are. Booleans and
numbers stand where texts do in some of Meta's examples, and stay as they are.
"""

import re
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from common.contracts.outbound.media import PartFile, PartSource
from common.contracts.outbound.shape import BRANCH, AnyCase, Open, OpenAction, branch_by, pattern_of

_MAX_TEXT: Final = 32_768
_MAX_PAYLOAD: Final = 512
_REFUSED: Final = re.compile(r"[\n\r\t]| {5}")


def _in_one_line(text: str) -> str:
    if _REFUSED.search(text):
        raise ValueError(
            "a template's parameter has no line break, no tab, and at most four spaces in a row (Meta would say 132018)"
        )
    return text


def _form(given: object) -> str:
    return f"{BRANCH}plain" if isinstance(given, bool | int | float) else f"{BRANCH}text"


_Plain = Annotated[bool | int | float, Tag("\0plain")]
_Line = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT), AfterValidator(_in_one_line)]
_Text = Annotated[Annotated[_Line, Tag("\0text")] | _Plain, Discriminator(_form)]
_Payload = Annotated[
    Annotated[str, Field(min_length=1, max_length=_MAX_PAYLOAD), Tag("\0text")] | _Plain, Discriminator(_form)
]
_Fallback = Annotated[
    Annotated[str, Field(min_length=1, max_length=_MAX_TEXT), Tag("\0text")] | _Plain, Discriminator(_form)
]
_Code = Annotated[Annotated[str, Field(min_length=1, max_length=20), Tag("\0text")] | _Plain, Discriminator(_form)]


class _Parameter(Open):
    parameter_name: Annotated[str | None, Field(max_length=512)] = None


class TextParameter(_Parameter):
    """A text; at a button's link `payment_link_preview` asks WhatsApp to show it as a payment."""

    type: Annotated[str, AnyCase(("text",))]
    text: _Text
    payment_link_preview: bool | None = None


class Currency(Open):
    """An amount in thousandths, with a fallback text."""

    fallback_value: _Fallback
    code: Annotated[str, Field(min_length=3, max_length=3)]
    amount_1000: int


class CurrencyParameter(_Parameter):
    """An amount of money."""

    type: Annotated[str, AnyCase(("currency",))]
    currency: Currency


class Moment(Open):
    """A date: its fallback text is what is shown."""

    fallback_value: _Fallback | None = None


class DateTimeParameter(_Parameter):
    """A date."""

    type: Annotated[str, AnyCase(("date_time",))]
    date_time: Moment


class ImageParameter(_Parameter):
    """An image of a header."""

    type: Annotated[str, AnyCase(("image",))]
    image: PartSource


class VideoParameter(_Parameter):
    """A video of a header."""

    type: Annotated[str, AnyCase(("video",))]
    video: PartSource


class GifParameter(_Parameter):
    """An animated image of a header."""

    type: Annotated[str, AnyCase(("gif",))]
    gif: PartSource


class DocumentParameter(_Parameter):
    """A file of a header."""

    type: Annotated[str, AnyCase(("document",))]
    document: PartFile


class Place(Open):
    """A place of a header; its degrees may be texts."""

    latitude: float | str
    longitude: float | str
    name: str | None = None
    address: str | None = None


class LocationParameter(_Parameter):
    """A place of a header."""

    type: Annotated[str, AnyCase(("location",))]
    location: Place


class PayloadParameter(_Parameter):
    """What a button sends back."""

    type: Annotated[str, AnyCase(("payload",))]
    payload: _Payload


class CouponParameter(_Parameter):
    """The code that a button copies."""

    type: Annotated[str, AnyCase(("coupon_code",))]
    coupon_code: _Code


_NAMED: Final = (
    *("text", "currency", "date_time", "image", "video", "gif", "document", "location", "payload", "coupon_code"),
)


class OtherParameter(_Parameter):
    """Any other type, as Meta shapes it: what belongs to the type `action` stands under `action`."""

    type: Annotated[str, WithJsonSchema({"type": "string", "not": {"pattern": pattern_of(_NAMED)}})]
    action: OpenAction | None = None
    limited_time_offer: dict[str, Any] | None = None
    product: OpenAction | None = None
    order_status: OpenAction | None = None
    tap_target_configuration: list[Any] | dict[str, Any] | None = None
    ttl_minutes: int | None = None

    @model_validator(mode="after")
    def _has_its_own(self) -> Self:
        name = self.type.lower()
        if getattr(self, name, None) is None or name not in self.model_fields_set:
            raise ValueError(f"a parameter of the type {self.type[:40]} needs `{name[:40]}`")
        return self


Parameter = Annotated[
    Annotated[TextParameter, Tag("\0text")]
    | Annotated[CurrencyParameter, Tag("\0currency")]
    | Annotated[DateTimeParameter, Tag("\0date_time")]
    | Annotated[ImageParameter, Tag("\0image")]
    | Annotated[VideoParameter, Tag("\0video")]
    | Annotated[GifParameter, Tag("\0gif")]
    | Annotated[DocumentParameter, Tag("\0document")]
    | Annotated[LocationParameter, Tag("\0location")]
    | Annotated[PayloadParameter, Tag("\0payload")]
    | Annotated[CouponParameter, Tag("\0coupon_code")]
    | Annotated[OtherParameter, Tag("\0other")],
    Discriminator(
        branch_by(lambda kind: kind if kind in _NAMED else "other"),
        custom_error_type="parameter_type",
        custom_error_message="give a parameter with a `type`",
    ),
]
"""One parameter; `type` says which."""
