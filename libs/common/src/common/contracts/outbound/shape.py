"""What all message objects share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
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


def _on_the_web(link: str) -> str:
    if not link.lower().startswith(("https://", "http://")):
        raise PydanticCustomError("link_scheme", "give an http or https URL", {"pattern": "^https?://"})
    return link


WebLink = Annotated[str, AfterValidator(_on_the_web), Field(json_schema_extra={"pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"})]
"""A URL whose scheme may be in any case (RFC 3986, 3.1)."""

Link = Annotated[WebLink, Field(max_length=MAX_LINK)]
MetaId = Annotated[str, Field(min_length=1, max_length=MAX_ID, coerce_numbers_to_str=True)]
Wamid = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
