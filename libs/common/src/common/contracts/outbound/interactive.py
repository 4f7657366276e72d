"""Interactive messages: buttons, lists, links, products, flows, requests and carousels.

`{"type": "interactive", "interactive": {"type": "button", …}}`, as Meta shapes it. Kinds whose inside only Meta's SDKs
describe are taken with their frame checked and their `action` as given.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from common.contracts.outbound.envelope import Sent
from common.contracts.outbound.media import PartFile, PartSource
from common.contracts.outbound.shape import MAX_BODY, MAX_TEXT, Id, Open, OpenAction, Shape, WebLink, branch_by

Title20 = Annotated[str, StringConstraints(min_length=1, max_length=20)]
Title24 = Annotated[str, StringConstraints(min_length=1, max_length=24)]
Id256 = Annotated[Id, Field(min_length=1, max_length=256)]


class TextPart(Open):
    """A body."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_BODY)]


class LongTextPart(Open):
    """The body of a list, which may be longer."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class CardText(Open):
    """The body of a carousel's card."""

    text: Annotated[str, Field(min_length=1, max_length=160)]


class Footer(Open):
    """A line below."""

    text: Annotated[str, Field(min_length=1, max_length=60)]


class TextHeader(Open):
    """A line above."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1, max_length=60)]


class ImageHeader(Open):
    """An image above."""

    type: Literal["image"]
    image: PartSource


class VideoHeader(Open):
    """A video above."""

    type: Literal["video"]
    video: PartSource


class DocumentHeader(Open):
    """A file above."""

    type: Literal["document"]
    document: PartFile


_HEADERS: Final = ("text", "image", "video", "document")
Header = Annotated[
    Annotated[TextHeader, Tag("\0text")]
    | Annotated[ImageHeader, Tag("\0image")]
    | Annotated[VideoHeader, Tag("\0video")]
    | Annotated[DocumentHeader, Tag("\0document")],
    Discriminator(
        branch_by(lambda kind: kind if kind in _HEADERS else None),
        custom_error_type="header_type",
        custom_error_message=f"give a `type`: one of {', '.join(_HEADERS)}",
    ),
]


class _Framed(Shape):
    header: Header | None = None
    body: TextPart
    footer: Footer | None = None


class Reply(Open):
    """What a button says (20 characters), and the id that comes back (256)."""

    id: Id256
    title: Title20


class ReplyButton(Open):
    """A quick answer."""

    type: Literal["reply"]
    reply: Reply


class ButtonAction(Open):
    """One to three of them."""

    buttons: Annotated[list[ReplyButton], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _different(self) -> Self:
        _once("button ids", (button.reply.id for button in self.buttons))
        _once("button titles", (button.reply.title for button in self.buttons))
        return self


class Buttons(_Framed):
    """Up to three quick answers."""

    type: Literal["button"]
    action: ButtonAction


class Row(Open):
    """One choice of a list."""

    id: Annotated[Id, Field(min_length=1, max_length=200)]
    title: Title24
    description: Annotated[str | None, Field(max_length=72)] = None


class Section(Open):
    """Some choices of a list under a title, which may only be missing where there is one section."""

    title: Annotated[str | None, Field(max_length=24)] = None
    rows: Annotated[list[Row], Field(min_length=1, max_length=10)]


class ListAction(Open):
    """What the button says that opens the list, and its sections: at most ten rows in all."""

    button: Title20
    sections: Annotated[list[Section], Field(min_length=1, max_length=10)]

    @model_validator(mode="after")
    def _small_enough(self) -> Self:
        rows = [row.id for section in self.sections for row in section.rows]
        if len(rows) > 10:
            raise ValueError(f"a list has at most 10 rows over all sections, this one has {len(rows)}")
        if len(self.sections) > 1 and not all(section.title for section in self.sections):
            raise ValueError("with more than one section, each needs a title")
        _once("row ids", rows)
        return self


class ListMessage(Shape):
    """A list to choose from. Its header can only be a text."""

    type: Literal["list"]
    header: TextHeader | None = None
    body: LongTextPart
    footer: Footer | None = None
    action: ListAction


class UrlParameters(Open):
    """What the button says, and where it leads; `payment_link_preview` asks WhatsApp to show it as a payment."""

    display_text: Title20
    url: Annotated[WebLink, Field(max_length=2_000)]
    payment_link_preview: bool | None = None


class UrlAction(Open):
    """A link."""

    name: Literal["cta_url"]
    parameters: UrlParameters


class UrlButton(_Framed):
    """A button that opens a link."""

    type: Literal["cta_url"]
    action: UrlAction


class FlowParameters(Open):
    """Which flow, by `flow_id` or `flow_name`, how it starts, and what the button says (30 characters)."""

    flow_message_version: Annotated[str, Field(min_length=1, max_length=16, coerce_numbers_to_str=True)]
    flow_id: Id | None = None
    flow_name: str | None = None
    flow_cta: Annotated[str, Field(min_length=1, max_length=30)]
    flow_token: Id | None = None
    flow_action: Literal["navigate", "data_exchange"] | None = None
    flow_action_payload: dict[str, Any] | None = None
    mode: Literal["draft", "published"] | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.flow_id is None) == (self.flow_name is None):
            raise ValueError("give exactly one of `flow_id` and `flow_name`")
        return self


class FlowAction(Open):
    """A flow."""

    name: Literal["flow"]
    parameters: FlowParameters


class FlowMessage(_Framed):
    """A button that opens a flow."""

    type: Literal["flow"]
    action: FlowAction


class LocationRequestAction(Open):
    """Ask a person for their location."""

    name: Literal["send_location"]


class LocationRequest(Shape):
    """A button that sends a location back."""

    type: Literal["location_request_message"]
    body: TextPart
    action: LocationRequestAction


class ProductAction(Open):
    """One product of a catalogue."""

    catalog_id: Id256
    product_retailer_id: Id256


class Product(Shape):
    """One product."""

    type: Literal["product"]
    body: TextPart | None = None
    footer: Footer | None = None
    action: ProductAction


class ProductItem(Open):
    """A product by its id in the catalogue."""

    product_retailer_id: Id256


class ProductSection(Open):
    """Products under a title."""

    title: Annotated[str | None, Field(max_length=24)] = None
    product_items: Annotated[list[ProductItem], Field(min_length=1, max_length=30)]


class ProductListAction(Open):
    """Sections of products of a catalogue: at most thirty in all."""

    catalog_id: Id256
    sections: Annotated[list[ProductSection], Field(min_length=1, max_length=10)]

    @model_validator(mode="after")
    def _small_enough(self) -> Self:
        count = sum(len(section.product_items) for section in self.sections)
        if count > 30:
            raise ValueError(f"a product list has at most 30 items over all sections, this one has {count}")
        return self


class ProductList(Shape):
    """Several products; its header is required, and a text."""

    type: Literal["product_list"]
    header: TextHeader
    body: TextPart
    footer: Footer | None = None
    action: ProductListAction


class CarouselCard(Open):
    """One card: Meta's own shape but for the length of its text."""

    card_index: Annotated[int, Field(ge=0, le=9)]
    type: str
    header: Header | None = None
    body: CardText | None = None
    action: OpenAction | None = None


class CarouselAction(Open):
    """Two to ten cards."""

    cards: Annotated[list[CarouselCard], Field(min_length=2, max_length=10)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _once("card_index values", (str(card.card_index) for card in self.cards))
        return self


class Carousel(Shape):
    """Cards side by side, of media or of products."""

    type: Literal["carousel"]
    body: TextPart
    action: CarouselAction


class Other(_Framed):
    """A kind whose `action` is taken as given."""

    type: Literal[
        "catalog_message",
        "order_details",
        "order_status",
        "address_message",
        "voice_call",
        "request_contact_info",
    ]
    action: OpenAction


class CallPermission(Shape):
    """A question whether the business may call; its text may be left to WhatsApp."""

    type: Literal["call_permission_request"]
    header: Header | None = None
    body: TextPart | None = None
    footer: Footer | None = None
    action: OpenAction


_OTHERS: Final = (
    *("catalog_message", "order_details", "order_status", "address_message", "voice_call", "request_contact_info"),
)
_OWN: Final = (
    *("button", "list", "cta_url", "flow", "location_request_message", "product", "product_list", "carousel"),
    "call_permission_request",
)

InteractiveContent = Annotated[
    Annotated[Buttons, Tag("\0button")]
    | Annotated[ListMessage, Tag("\0list")]
    | Annotated[UrlButton, Tag("\0cta_url")]
    | Annotated[FlowMessage, Tag("\0flow")]
    | Annotated[LocationRequest, Tag("\0location_request_message")]
    | Annotated[Product, Tag("\0product")]
    | Annotated[ProductList, Tag("\0product_list")]
    | Annotated[Carousel, Tag("\0carousel")]
    | Annotated[CallPermission, Tag("\0call_permission_request")]
    | Annotated[Other, Tag("\0other")],
    Discriminator(
        branch_by(lambda kind: kind if kind in _OWN else "other" if kind in _OTHERS else None),
        custom_error_type="interactive_type",
        custom_error_message=f"give a `type`: one of {', '.join((*_OWN, *_OTHERS))}",
    ),
]


class Interactive(Sent):
    """An interactive message: `interactive` is Meta's object."""

    type: Literal["interactive"] = "interactive"
    interactive: InteractiveContent


def _once(what: str, values: Iterable[str]) -> None:
    twice = [value for value, times in Counter(values).items() if times > 1]
    if twice:
        raise ValueError(f"{what} must differ: {twice[0]!r} is used twice")
