"""Texts, places, contact cards, reactions, pins, and read marks."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from common.contracts.outbound.envelope import Sent
from common.contracts.outbound.shape import MAX_TEXT, Open, Shape, Wamid


class TextContent(Shape):
    """A text; `preview_url` asks WhatsApp to show a preview of its first link."""

    body: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    preview_url: bool = False


class Text(TextContent, Sent):
    """A text; `preview_url` asks WhatsApp to show a preview of its first link."""

    type: Literal["text"]


_DECIMAL: Final = re.compile(r"-?[0-9]{1,3}(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Degrees:
    """Degrees up to `most` on either side: a number, or its text, as Meta's own examples have it, which stays one."""

    most: int

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Checks both as a number."""
        number = core_schema.float_schema(ge=-self.most, le=self.most)
        return core_schema.no_info_wrap_validator_function(_as_given, number)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A schema cannot say what the text is at most."""
        number = {"type": "number", "minimum": -self.most, "maximum": self.most}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_DECIMAL.pattern}$"}]}


def _as_given(given: Any, as_number: ValidatorFunctionWrapHandler) -> Any:
    number = as_number(given)
    return given if isinstance(given, str) and _DECIMAL.fullmatch(given) else number


class LocationContent(Shape):
    """A place; latitude and longitude in degrees."""

    latitude: Annotated[float | str, Degrees(90)]
    longitude: Annotated[float | str, Degrees(180)]
    name: Annotated[str | None, Field(max_length=1_000)] = None
    address: Annotated[str | None, Field(max_length=1_000)] = None


class Location(LocationContent, Sent):
    """A place; latitude and longitude in degrees."""

    type: Literal["location"]


class CardName(Open):
    """Whose card it is; `formatted_name` is what is shown."""

    formatted_name: Annotated[str, Field(min_length=1, max_length=1_024)]


class Card(Open):
    """One contact card: a name, and phones, emails, urls, addresses, org or birthday as Meta shapes them."""

    name: CardName
    phones: list[dict[str, Any]] | None = None
    emails: list[dict[str, Any]] | None = None
    urls: list[dict[str, Any]] | None = None
    addresses: list[dict[str, Any]] | None = None
    org: dict[str, Any] | None = None
    birthday: Annotated[str | None, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = None


class Contacts(Sent):
    """Contact cards."""

    type: Literal["contacts"] = "contacts"
    contacts: Annotated[list[Card], Field(min_length=1, max_length=257)]


class ReactionContent(Shape):
    """An emoji on an earlier message (a wamid); an empty emoji takes it back."""

    message_id: Wamid
    emoji: Annotated[str, Field(max_length=32)]


class Reaction(ReactionContent, Sent):
    """An emoji on an earlier message (a wamid); an empty emoji takes it back."""

    type: Literal["reaction"]


def _no_flag(given: Any) -> Any:
    if isinstance(given, bool):
        raise PydanticCustomError("days", "give a number of days")  # else `true` would be one day
    return given


class PinContent(Open):
    """What is done to an earlier message (a wamid) of the group; a pin ends after 1 to 30 days."""

    type: Literal["pin", "unpin"]
    message_id: Wamid
    expiration_days: Annotated[int | None, BeforeValidator(_no_flag), Field(ge=1, le=30)] = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.type == "pin" and self.expiration_days is None:
            raise ValueError("a pin needs `expiration_days`, from 1 to 30")
        return self


class Pin(Sent):
    """Pins a message of a group, or takes its pin away; `pin` is Meta's object. Only a group has pins."""

    type: Literal["pin"] = "pin"
    pin: PinContent


class MarkAsRead(Shape):
    """Marks a customer's message (a wamid), and all before it, as read; `typing` shows the indicator for up to 25 s."""

    type: Literal["read"]
    message_id: Wamid
    typing: bool = False
