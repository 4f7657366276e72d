"""Template messages: an approved template by name and language, with its parameters.

`{"type": "template", "template": {"name": …, "language": {"code": …}, "components": [...]}}`, as Meta shapes it. What
the rendered text may measure (132005) and whether the parameters fit the template (132000) only Meta can know.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from common.contracts.outbound.media import FileSource, Source
from common.contracts.outbound.shape import Shape

_MAX_PARAMETER: Final = 32_768
_MAX_BUTTONS: Final = 10
ParameterName = Annotated[str | None, Field(max_length=512)]


class TextParameter(Shape):
    """A text."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1, max_length=_MAX_PARAMETER)]
    parameter_name: ParameterName = None


class Currency(Shape):
    """An amount in thousandths, with a fallback text."""

    fallback_value: str
    code: Annotated[str, Field(min_length=3, max_length=3)]
    amount_1000: int


class CurrencyParameter(Shape):
    """An amount of money."""

    type: Literal["currency"]
    currency: Currency
    parameter_name: ParameterName = None


class DateTimeParameter(Shape):
    """A date: its fallback text is what is shown."""

    type: Literal["date_time"]
    date_time: dict[str, Any]
    parameter_name: ParameterName = None


class ImageParameter(Shape):
    """An image of a header."""

    type: Literal["image"]
    image: Source


class VideoParameter(Shape):
    """A video of a header."""

    type: Literal["video"]
    video: Source


class GifParameter(Shape):
    """An animated image of a header."""

    type: Literal["gif"]
    gif: Source


class DocumentParameter(Shape):
    """A file of a header."""

    type: Literal["document"]
    document: FileSource


class Place(Shape):
    """A place of a header; unlike a location message, Meta also takes the degrees as text."""

    latitude: float | str
    longitude: float | str
    name: str | None = None
    address: str | None = None


class LocationParameter(Shape):
    """A place of a header."""

    type: Literal["location"]
    location: Place


class PayloadParameter(Shape):
    """What a quick reply button sends back."""

    type: Literal["payload"]
    payload: Annotated[str, Field(min_length=1, max_length=256)]


class CouponParameter(Shape):
    """The code that a button copies."""

    type: Literal["coupon_code"]
    coupon_code: Annotated[str, Field(min_length=1, max_length=20)]


class ObjectParameter(Shape):
    """`action`, `limited_time_offer`, `product`, `order_status` or `ttl_minutes`, as Meta shapes it."""

    type: Literal["action", "limited_time_offer", "product", "order_status", "ttl_minutes"]
    action: dict[str, Any] | None = None
    limited_time_offer: dict[str, Any] | None = None
    product: dict[str, Any] | None = None
    order_status: dict[str, Any] | None = None
    ttl_minutes: int | None = None

    @model_validator(mode="after")
    def _has_its_own(self) -> Self:
        if getattr(self, self.type) is None:
            raise ValueError(f"a parameter of the type {self.type} needs `{self.type}`")
        return self


Parameter = Annotated[
    TextParameter
    | CurrencyParameter
    | DateTimeParameter
    | ImageParameter
    | VideoParameter
    | GifParameter
    | DocumentParameter
    | LocationParameter
    | PayloadParameter
    | CouponParameter
    | ObjectParameter,
    Field(discriminator="type"),
]


class Part(Shape):
    """The parameters of the header, the body, or another part that is not a button."""

    type: Literal["header", "body", "footer", "limited_time_offer", "order_status"]
    parameters: Annotated[list[Parameter] | None, Field(max_length=1_024)] = None


class TemplateButton(Shape):
    """The parameters of one button, by its place (0 to 9)."""

    type: Literal["button"]
    sub_type: Literal["url", "quick_reply", "copy_code", "flow", "catalog", "mpm", "order_details", "voice_call"]
    index: Annotated[int, Field(ge=0, lt=_MAX_BUTTONS)]
    parameters: Annotated[list[Parameter] | None, Field(max_length=1_024)] = None


class TemplateCard(Shape):
    """One card of a carousel."""

    card_index: Annotated[int, Field(ge=0, lt=10)]
    components: Annotated[list[Annotated[Part | TemplateButton, Field(discriminator="type")]], Field(max_length=8)]


class TemplateCarousel(Shape):
    """The cards of a carousel."""

    type: Literal["carousel"]
    cards: Annotated[list[TemplateCard], Field(min_length=1, max_length=10)]


Component = Annotated[Part | TemplateButton | TemplateCarousel, Field(discriminator="type")]


class Language(Shape):
    """A language as Meta codes it (`en_US`)."""

    code: Annotated[str, Field(min_length=2, max_length=16)]
    policy: Literal["deterministic"] | None = None


class TemplateContent(Shape):
    """Which template, in which language, with which parameters."""

    name: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[a-z0-9_]+$")]
    language: Language
    components: Annotated[list[Component] | None, Field(max_length=32)] = None

    @model_validator(mode="after")
    def _few_buttons(self) -> Self:
        buttons = [part.index for part in self.components or () if isinstance(part, TemplateButton)]
        if len(buttons) > _MAX_BUTTONS:
            raise ValueError(f"a template has at most {_MAX_BUTTONS} buttons, this one has {len(buttons)}")
        return self


class Template(Shape):
    """An approved template. `marketing_lite` sends it by the Marketing Messages API, which takes nothing else."""

    type: Literal["template"]
    template: TemplateContent
    marketing_lite: bool = False
