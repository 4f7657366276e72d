"""The cross-tenant table: how the statuses of one tenant's number can name a send of another tenant. Pure."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from hostile.payloads import STATUSES, public_journal_id

SECRET: Final = "canary-of-bob"
"""A word in the victim's metadata and texts, which the attacker must not see."""

STATES: Final = ("before", "accepted", "retrying", "in_doubt", "failed")
"""The state of the victim's send when its statuses arrive; `before`: it was not requested yet."""

COMPUTED: Final = ("computed", "grafted", "upper case", "urn", "braces", "no dashes", "traced", "padded", "zeroed")
COPIED: Final = ("copied", "wamid", "wamid and copied", "wamid and computed", "copied and cut")
"""Ways that need Meta's data of the victim's send: its wamid, or the genuine callback data."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One case: whether the promise held, and what was seen."""

    case: str
    held: bool
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One send of the victim, and the forged status that will be about it."""

    state: str
    forgery: str
    word: str
    message_id: str
    phone: str

    @property
    def name(self) -> str:
        """A name for tables."""
        return f"{self.state} / {self.forgery} / {self.word}"


@dataclass(frozen=True, slots=True)
class Known:
    """The attacker's data: the victim's ids, as far as Meta knows them, and genuine callback data of its own send."""

    chatbot_id: str
    own_callback: str
    own_journal: str
    callback: str | None = None
    wamid: str | None = None


def targets(tag: str) -> list[Target]:
    """Every useful combination of state, forgery and status. Each has its own message and phone."""
    # States alternate, because three lost answers in a row would look like an outage, and nothing would be sent.
    turns = zip_longest(*(_rows(state) for state in STATES))
    rows = [row for turn in turns for row in turn if row is not None]
    return [
        Target(state, forgery, word, message_id=f"{tag}-{number}", phone=f"49170{number:07d}")
        for number, (state, forgery, word) in enumerate(rows)
    ]


def _rows(state: str) -> Iterator[tuple[str, str, str]]:
    copied: Sequence[str] = COPIED if state in {"accepted", "in_doubt"} else ()
    for place, forgery in enumerate((*COMPUTED, *copied)):
        # The two forgeries of the original finding with every status, the variants with one each.
        words = STATUSES if forgery in {"computed", "copied", "wamid"} else (STATUSES[place % len(STATUSES)],)
        yield from ((state, forgery, word) for word in words)


def callback_of(target: Target, known: Known) -> str | None:
    """The `biz_opaque_callback_data` of a forged status; None: it has none."""
    journal = public_journal_id(known.chatbot_id, target.message_id)
    plain = f"wce:{journal}"
    made = {
        "computed": plain,
        "grafted": known.own_callback.replace(known.own_journal, journal),
        "upper case": f"wce:{journal.upper()}",
        "urn": f"wce:urn:uuid:{journal}",
        "braces": f"wce:{{{journal}}}",
        "no dashes": f"wce:{journal.replace('-', '')}",
        "traced": f"{plain};00-{'1' * 32}-{'2' * 16}-01",
        "padded": f"{plain}.",
        "zeroed": f"{plain}.{'0' * 64}",
        "wamid and computed": plain,
        "copied": known.callback,
        "wamid and copied": known.callback,
        "copied and cut": (known.callback or "")[:-1],
    }
    return made.get(target.forgery)


def wamid_of(target: Target, known: Known) -> str:
    """The wamid of a forged status: the victim's where the forgery has it, else one of the attacker's own."""
    if target.forgery.startswith("wamid") and known.wamid is not None:
        return known.wamid
    return f"wamid.forged-{uuid.uuid5(uuid.NAMESPACE_OID, target.name + target.message_id).hex}"
