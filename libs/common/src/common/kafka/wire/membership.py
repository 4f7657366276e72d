"""Who commits: a member's generation of its consumer group, and the transactional ids of the group's members.

A transactional id is new for each assignment. Each commit leaves the id of its producer in the offset's metadata, so
the next owner of the partition knows whose transaction may still be open.
"""

import re
from dataclasses import dataclass
from typing import Final

_UNIQUE: Final = "[0-9a-f]{32}"


@dataclass(frozen=True, slots=True)
class Membership:
    """A member as it was when it got its assignment. The broker refuses commits of any other generation (KIP-447).

    It is a snapshot. The driver knows a new generation before the work of the old one has ended, and a commit that read
    it late would pass for one of the new owner.
    """

    group: str
    generation: int
    member_id: str


def transactional_id(group: str, unique: str) -> str:
    """The id of an assignment's producer; `unique` is 32 hexadecimal digits. It has the prefix that ACLs allow."""
    return f"{group}-{unique}"


def named_in(group: str, metadata: str | None) -> str | None:
    """The transactional id that an offset's metadata names. None: none of this group's.

    Any member and any operator may write metadata, and opening a producer by an id ends its owner's work. So only an id
    in exactly the form of `transactional_id` counts.
    """
    found = re.fullmatch(rf"{re.escape(group)}-{_UNIQUE}", metadata or "")
    return found[0] if found else None
