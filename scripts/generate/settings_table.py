"""Writes the tables of docs/operations.md: settings, collections, topics. `make contracts`; `--check` only compares.

A table stands between `<!-- NAME -->` and `<!-- end -->`, and comes from where the services have it from.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from common.contracts import topics
from common.mongo import schema

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
SERVICES: Final = ("ingress", "conversation", "sender", "accounts")
SECRET_PLACES: Final = frozenset({"mongodb_uri"})
"""Secret, because a connection string contains a password."""


class Undescribed(Exception):
    """A setting without a description."""


def page(text: str) -> str:
    """The page with up-to-date tables. Raises `Undescribed`."""
    tables = {f"settings of {service}": settings(service) for service in SERVICES}
    for name, rows in {**tables, "collections": kept_documents(), "topics": kept_records()}.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not between.search(text):
            raise Undescribed(f"docs/operations.md has no place for the {name}")
        table = "\n".join(rows)
        text = between.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


def kept_documents() -> Iterator[str]:
    """The collections in MongoDB, and how long they keep documents."""
    yield "| Collection | Owner | What | Kept | People |"
    yield "|---|---|---|---|---|"
    for one in schema.ALL:
        yield f"| `{one.name}` | {one.owner} | {one.purpose} | {one.kept} | {'yes' if one.people else 'no'} |"


def kept_records() -> Iterator[str]:
    """The topics on Kafka, and how long they keep records."""
    yield "| Topic | Written by | What | Kept |"
    yield "|---|---|---|---|"
    for topic in topics.ALL:
        hours = topic.retention_ms // 3_600_000
        kept = "compacted" if topic.compacted else f"{hours // 24} days" if hours >= 24 else f"{hours} h"
        yield f"| `{topic.name}` | {topic.owner} | {topic.purpose} | {kept} |"


def settings(service: str) -> Iterator[str]:
    """The table of a service: its own settings first, then those it shares, each by name."""
    kind = __import__(f"{service}.settings", fromlist=["Settings"]).Settings
    own = set(kind.__annotations__)
    yield "| Setting | Default | Meaning |"
    yield "|---|---|---|"
    for name, field in sorted(kind.model_fields.items(), key=lambda item: (item[0] not in own, item[0])):
        if not field.description:
            raise Undescribed(f"{service}: {name} has no description")
        secret = " **Secret.**" if is_secret(name, field) else ""
        meaning = field.description.replace("|", "\\|")
        yield f"| `{name.upper()}` | {default_of(field)} | {meaning}{secret} |"


def is_secret(name: str, field: FieldInfo) -> bool:
    """Whether it belongs into a secret store."""
    return name in SECRET_PLACES or SecretStr in _kinds(field.annotation)


def default_of(field: FieldInfo) -> str:
    """The default, in the notation of the environment."""
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()  # a default is not secret
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _kinds(annotation: Any) -> set[Any]:
    inner = [kind for part in get_args(annotation) for kind in _kinds(part)]
    return {annotation, *inner} - {NoneType} if _is_hashable(annotation) else set(inner)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def main() -> int:
    """Write or compare the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when the page is out of date")
    check = parser.parse_args().check
    before = PAGE.read_text(encoding="utf-8")
    try:
        after = page(before)
    except Undescribed as error:
        print(error)
        return 1
    if check and before != after:
        print("docs/operations.md is out of date; run 'make contracts'")
        return 1
    if before != after:
        PAGE.write_text(after, encoding="utf-8")
    print(f"docs/operations.md: {'up to date' if before == after else 'written'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
