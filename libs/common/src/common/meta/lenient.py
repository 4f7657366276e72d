"""Reading Meta's objects so that one odd field does not hide its neighbours.

A healthy object is decoded in one go, as fast as without this. Where that fails, each field is read by itself: a number
where a text is expected is that text, a text of digits where a number is expected is that number, an object where a
list is expected is its only item, and a list of one object where an object is expected is that object. A text that is
too long is cut where its field says `CUT`. A field that is still not understood counts as absent.
"""

import re
import types
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Annotated, Any, Final, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

BAD: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises when it does not understand its input."""

CUT: Final = {"cut": True}
"""The `extra` of a `msgspec.Meta`: of a longer text its first `max_length` characters are taken."""

_MAX_NUMBER: Final = 256  # characters of a number that is taken as a text
_EXACT: Final = 2**53  # up to this a float is exactly the whole number that was meant
_ABSENT: Final = msgspec.Raw()
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

T = TypeVar("T", bound=msgspec.Struct)


class Lenient(Generic[T]):
    """Reads objects of one struct type.

    Unknown fields are skipped also where the struct forbids them; `read` says that there were some.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, raw: bytes | msgspec.Raw) -> T:
        """The object, as far as it is understood.

        Raises one of `BAD` when it is not an object, or when a required field cannot be parsed or is too long.
        """
        try:
            return self._decoder.decode(raw)
        except (msgspec.ValidationError, UnicodeDecodeError):
            return self._by_field(raw)[0]

    def read(self, raw: bytes | msgspec.Raw) -> tuple[T, bool]:
        """The same, and whether all of it was understood. Raises as `decode`."""
        try:
            return self._decoder.decode(raw), True
        except (msgspec.ValidationError, UnicodeDecodeError):
            return self._by_field(raw)

    def _by_field(self, raw: bytes | msgspec.Raw) -> tuple[T, bool]:
        strict, loose, fields = self._parts
        try:
            parts, complete = strict.decode(raw), True
        except (
            msgspec.ValidationError,
            UnicodeDecodeError,
        ):  # an unknown field, or a name that is not Unicode
            parts, complete = loose.decode(raw), False
        values: dict[str, Any] = {}
        for field in fields:
            part = getattr(parts, field.name)
            if part is _ABSENT:
                continue
            try:
                values[field.name], whole = field.read(part)
                complete = complete and whole
            except _NotUnderstoodError:
                complete = complete and bytes(part).strip() == b"null"
        for field in fields:
            if field.required and field.name not in values:
                raise msgspec.ValidationError(f"`{field.key}` is missing or cannot be parsed")
        return self._kind(**values), complete

    @cached_property
    def _parts(self) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any], list["_Field"]]:
        """Decoders of an object whose values are left unread, without and with unknown fields; and its fields."""
        hints = get_type_hints(self._kind, include_extras=True)
        known = msgspec.structs.fields(self._kind)
        forbids = self._kind.__struct_config__.forbid_unknown_fields

        def twin(*, forbid: bool) -> msgspec.json.Decoder[Any]:
            names = {field.name: field.encode_name for field in known}
            shape: Any = [(field.name, msgspec.Raw, _ABSENT) for field in known]
            return msgspec.json.Decoder(msgspec.defstruct("Twin", shape, rename=names, forbid_unknown_fields=forbid))

        fields = [_Field(field.name, field.encode_name, field.required, hints[field.name]) for field in known]
        return twin(forbid=forbids), twin(forbid=False), fields


class _NotUnderstoodError(Exception):
    """A field has a value that it cannot have, in any form."""


class _Field:
    """One field of a struct."""

    def __init__(self, name: str, key: str, required: bool, hint: Any) -> None:
        self.name, self.key, self.required = name, key, required
        self._hint = hint
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(hint)
        self._forms = list(_forms(list(_kinds(hint))))
        if (most := _cut_at(hint)) is not None:
            self._forms.append(lambda text: (_text(text)[:most], False))

    def read(self, part: msgspec.Raw) -> tuple[Any, bool]:
        """Its value, and whether all of it was understood. Raises `_NotUnderstoodError`."""
        text, valid = bytes(part), True
        try:
            return self._decoder.decode(text), True
        except UnicodeDecodeError:
            text, valid = text.decode("utf-8", "replace").encode(), False
        except msgspec.ValidationError:
            pass
        for form in self._forms:
            try:
                value, whole = form(text)
                return msgspec.convert(value, self._hint), whole and valid
            except (_NotUnderstoodError, ValueError, OverflowError, *BAD):
                continue
        raise _NotUnderstoodError


_Form = Callable[[bytes], tuple[Any, bool]]


def _forms(kinds: list[Any]) -> Iterator[_Form]:
    """How else a value of these types may be written."""
    for kind in kinds:
        if kind is str:
            yield lambda text: (_text(text), True)
        elif kind is int:
            yield lambda text: (_whole_number(text), True)
        elif kind is list:
            yield lambda text: (_one(text), True)
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            inner = Lenient(kind)
            yield inner.read
            yield partial(_read_only, inner)


def _kinds(hint: Any) -> Iterator[Any]:
    origin = get_origin(hint)
    if origin is Annotated:
        yield from _kinds(get_args(hint)[0])
    elif origin in (Union, types.UnionType):
        for inner in get_args(hint):
            yield from _kinds(inner)
    else:
        yield origin or hint


def _cut_at(hint: Any) -> int | None:
    """How many characters of a longer text a field takes; None when it takes none."""
    for inner in (hint, *get_args(hint)):
        for meta in getattr(inner, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra == CUT:
                return meta.max_length
    return None


def _text(part: bytes) -> str:
    if part.startswith(b'"'):
        return msgspec.json.decode(part, type=str)
    if len(part) > _MAX_NUMBER or not _NUMBER.fullmatch(part):
        raise _NotUnderstoodError
    number = float(part)
    is_written_out = part.strip(b"-").isdigit() or not number.is_integer() or abs(number) > _EXACT
    return part.decode() if is_written_out else str(int(number))


def _whole_number(part: bytes) -> int:
    text = msgspec.json.decode(part, type=str) if part.startswith(b'"') else part.decode()
    if len(text) > _MAX_NUMBER or not _NUMBER.fullmatch(text.strip().encode()):
        raise _NotUnderstoodError
    return int(float(text))


def _read_only(inner: Lenient[Any], part: bytes) -> tuple[Any, bool]:
    """The only object of a list."""
    if not part.startswith(b"["):
        raise _NotUnderstoodError
    return inner.read(msgspec.json.decode(part, type=tuple[msgspec.Raw])[0])


def _one(part: bytes) -> list[msgspec.Raw]:
    if not part.startswith(b"{"):
        raise _NotUnderstoodError
    return [msgspec.Raw(part)]
