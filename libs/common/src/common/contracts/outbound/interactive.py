"""Interactive messages: buttons, lists, links, products, flows, requests and carousels.

`{"type": "interactive", "interactive": {"type": "button", …}}`, as Meta shapes it. Kinds whose inside only Meta's SDKs
describe are taken with their frame checked and their `action` as given.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from common.contracts.outbound.media import FileSource, Source
from common.contracts.outbound.shape import MAX_BODY, MAX_TEXT, Shape

Title20 = Annotated[str, StringConstraints(min_length=1, max_length=20)]
Title24 = Annotated[str, StringConstraints(min_length=1, max_length=24)]


class TextPart(Shape):
    """A body."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_BODY)]


class LongTextPart(Shape):
    """The body of a list, which may be longer."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class CardText(Shape):
    """The body of a carousel's card."""

    text: Annotated[str, Field(min_length=1, max_length=160)]


class Footer(Shape):
    """A line below."""

    text: Annotated[str, Field(min_length=1, max_length=60)]


class TextHeader(Shape):
    """A line above."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1, max_length=60)]


class ImageHeader(Shape):
    """An image above."""

    type: Literal["image"]
    image: Source


class VideoHeader(Shape):
    """A video above."""

    type: Literal["video"]
    video: Source


class DocumentHeader(Shape):
    """A file above."""

    type: Literal["document"]
    document: FileSource


Header = Annotated[TextHeader | ImageHeader | VideoHeader | DocumentHeader, Field(discriminator="type")]


class _Framed(Shape):
    header: Header | None = None
    body: TextPart
    footer: Footer | None = None


class Reply(Shape):
    """What a button says (20 characters), and the id that comes back (256)."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    title: Title20


class ReplyButton(Shape):
    """A quick answer."""

    type: Literal["reply"]
    reply: Reply


class ButtonAction(Shape):
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


class Row(Shape):
    """One choice of a list."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    title: Title24
    description: Annotated[str | None, Field(max_length=72)] = None


class Section(Shape):
    """Some choices of a list under a title, which may only be missing where there is one section."""

    title: Annotated[str | None, Field(max_length=24)] = None
    rows: Annotated[list[Row], Field(min_length=1, max_length=10)]


class ListAction(Shape):
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


class UrlParameters(Shape):
    """What the button says, and where it leads."""

    display_text: Title20
    url: Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://")]


class UrlAction(Shape):
    """A link."""

    name: Literal["cta_url"]
    parameters: UrlParameters


class UrlButton(_Framed):
    """A button that opens a link."""

    type: Literal["cta_url"]
    action: UrlAction


class FlowParameters(Shape):
    """Which flow, by `flow_id` or `flow_name`, how it starts, and what the button says (30 characters)."""

    flow_message_version: Annotated[str, Field(min_length=1, max_length=16)]
    flow_id: str | None = None
    flow_name: str | None = None
    flow_cta: Annotated[str, Field(min_length=1, max_length=30)]
    flow_token: str | None = None
    flow_action: Literal["navigate", "data_exchange"] | None = None
    flow_action_payload: dict[str, Any] | None = None
    mode: Literal["draft", "published"] | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.flow_id is None) == (self.flow_name is None):
            raise ValueError("give exactly one of `flow_id` and `flow_name`")
        return self


class FlowAction(Shape):
    """A flow."""

    name: Literal["flow"]
    parameters: FlowParameters


class FlowMessage(_Framed):
    """A button that opens a flow."""

    type: Literal["flow"]
    action: FlowAction


class LocationRequestAction(Shape):
    """Ask where somebody is."""

    name: Literal["send_location"]


class LocationRequest(Shape):
    """A button that sends a location back."""

    type: Literal["location_request_message"]
    body: TextPart
    action: LocationRequestAction


class ProductAction(Shape):
    """One product of a catalogue."""

    catalog_id: Annotated[str, Field(min_length=1, max_length=256)]
    product_retailer_id: Annotated[str, Field(min_length=1, max_length=256)]


class Product(Shape):
    """One product."""

    type: Literal["product"]
    body: TextPart | None = None
    footer: Footer | None = None
    action: ProductAction


class ProductItem(Shape):
    """A product by its id in the catalogue."""

    product_retailer_id: Annotated[str, Field(min_length=1, max_length=256)]


class ProductSection(Shape):
    """Products under a title."""

    title: Annotated[str | None, Field(max_length=24)] = None
    product_items: Annotated[list[ProductItem], Field(min_length=1, max_length=30)]


class ProductListAction(Shape):
    """Sections of products of a catalogue: at most thirty in all."""

    catalog_id: Annotated[str, Field(min_length=1, max_length=256)]
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


class CarouselCard(Shape):
    """One card: Meta's own shape but for the length of its text."""

    card_index: Annotated[int, Field(ge=0, le=9)]
    type: str
    header: Header | None = None
    body: CardText | None = None
    action: dict[str, Any] | None = None


class CarouselAction(Shape):
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
        "call_permission_request",
        "voice_call",
        "request_contact_info",
    ]
    action: dict[str, Any]


InteractiveContent = Annotated[
    Buttons | ListMessage | UrlButton | FlowMessage | LocationRequest | Product | ProductList | Carousel | Other,
    Field(discriminator="type"),
]


class Interactive(Shape):
    """An interactive message: `interactive` is Meta's object."""

    type: Literal["interactive"]
    interactive: InteractiveContent


def _once(what: str, values: Iterable[str]) -> None:
    twice = [value for value, times in Counter(values).items() if times > 1]
    if twice:
        raise ValueError(f"{what} must differ: {twice[0]!r} is used twice")
