"""What all message objects share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_TEXT: Final = 4_096
MAX_BODY: Final = 1_024
MAX_CAPTION: Final = 1_024
MAX_ID: Final = 512
MAX_LINK: Final = 2_048

BRANCH: Final = "\0"
"""How the name of a union's branch begins. No key does: it could not be stored. So an error's path can leave it out."""

_OWN_DATA: Final = frozenset({"flow_action_payload", "flow_action_data"})
_IDS: Final = frozenset(
    {
        *("id", "catalog_id", "flow_id", "flow_token", "reference_id", "retailer_id"),
        *("product_retailer_id", "thumbnail_product_retailer_id"),
    }
)
"""Ids inside of what is taken as given: of catalogues, products, orders, flows, rows and buttons."""
_LAST_CERTAIN: Final = 2**53 - 1


class Shape(BaseModel):
    """An object as Meta names it. An unknown field is an error: Meta refuses it, or drops it silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Open(Shape):
    """An object that Meta adds fields to: what is not known here goes to Meta as it is."""

    model_config = ConfigDict(extra="allow", frozen=True)


@dataclass(frozen=True, slots=True)
class AnyCase:
    """A text out of a few, in any case, which stays as it was given. Meta's own examples have `CATALOG` and `url`."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Checks without changing."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A pattern says "in any case"; what it means is in the description."""
        return {**handler(schema), "pattern": pattern_of(self.names), "description": f"one of {', '.join(self.names)}"}

    def _checked(self, given: str) -> str:
        if given.lower() not in self.names:
            raise ValueError(f"give one of {', '.join(self.names)}")
        return given


def pattern_of(names: Iterable[str]) -> str:
    """A pattern of JSON Schema, which has no flags, for one of these names in any case."""
    each = ("".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in name) for name in names)
    return f"^({'|'.join(each)})$"


def branch_by(find: Callable[[str], str | None]) -> Callable[[object], str | None]:
    """A function for `Discriminator`: the branch that `find` names for an object's `type` in lower case."""

    def branch(value: object) -> str | None:
        kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        found = find(kind.lower()) if isinstance(kind, str) else None
        return None if found is None else BRANCH + found

    return branch


def without_nulls(value: Any) -> Any:
    """The same JSON without members that are null: to Meta they are absent.

    The data that a flow begins with is the producer's own and stays as it is.
    """
    if isinstance(value, dict):
        return {
            name: inner if name in _OWN_DATA else without_nulls(inner)
            for name, inner in value.items()
            if inner is not None
        }
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def id_as_text(given: Any) -> Any:
    """An id as Meta takes it: a whole number as its digits, and anything else as it is, for the type to judge.

    Raises `ValueError` for a number that does not say for certain which id was meant: one with a fraction or an
    exponent, and one beyond 2^53, because many JSON writers have rounded it by then (RFC 8259, 6).
    """
    if isinstance(given, bool) or not isinstance(given, int | float):
        return given
    if isinstance(given, float) or abs(given) > _LAST_CERTAIN:
        raise ValueError("give the id as a text: a number that is not whole, or is beyond 2^53, may have been changed")
    return str(given)


def ids_as_text(value: Any) -> Any:
    """The same JSON with each of Meta's ids in it as a text. Raises `ValueError`, which names the field."""
    if isinstance(value, dict):
        return {name: _member(name, inner) for name, inner in value.items()}
    return [ids_as_text(inner) for inner in value] if isinstance(value, list) else value


def _member(name: str, inner: Any) -> Any:
    if name in _OWN_DATA:
        return inner
    if name not in _IDS:
        return ids_as_text(inner)
    try:
        return id_as_text(inner)
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from None


def _on_the_web(link: str) -> str:
    if not link.lower().startswith(("https://", "http://")):
        raise PydanticCustomError("link_scheme", "give an http or https URL", {"pattern": "^https?://"})
    return link


WebLink = Annotated[str, AfterValidator(_on_the_web), Field(json_schema_extra={"pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"})]
"""A URL whose scheme may be in any case (RFC 3986, 3.1)."""

Link = Annotated[WebLink, Field(max_length=MAX_LINK)]
Id = Annotated[str, BeforeValidator(id_as_text)]
"""An id, which Meta has as a text: a whole number becomes one."""

MetaId = Annotated[Id, Field(min_length=1, max_length=MAX_ID)]
OpenAction = Annotated[dict[str, Any], AfterValidator(ids_as_text)]
"""An object that is taken as given, but for the ids in it."""

Wamid = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
