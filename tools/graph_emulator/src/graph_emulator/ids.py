"""Identifiers in the style of Meta's: wamids, business-scoped user ids, media ids, trace ids."""

import base64
import hashlib
import itertools
import secrets

# Calling codes to ISO countries, for the country part of a BSUID. Others count as US: the id is opaque to receivers.
_COUNTRIES = {
    "1": "US",
    "20": "EG",
    "27": "ZA",
    "31": "NL",
    "33": "FR",
    "34": "ES",
    "39": "IT",
    "41": "CH",
    "43": "AT",
    "44": "GB",
    "48": "PL",
    "49": "DE",
    "52": "MX",
    "55": "BR",
    "57": "CO",
    "62": "ID",
    "65": "SG",
    "91": "IN",
    "234": "NG",
    "254": "KE",
    "351": "PT",
    "353": "IE",
    "971": "AE",
}


def bsuid(wa_id: str) -> str:
    """The business-scoped user id of the person with phone number `wa_id` (digits): always the same one.

    The emulator is one business portfolio, so a person has one BSUID for all its numbers.
    """
    country = next((_COUNTRIES[wa_id[:n]] for n in (3, 2, 1) if wa_id[:n] in _COUNTRIES), "US")
    digest = hashlib.sha256(b"bsuid:" + wa_id.encode()).digest()
    return f"{country}.{int.from_bytes(digest[:8], 'big'):020d}"


class Ids:
    """Ids that never repeat, within a run or between runs (receivers keep unique indexes on them).

    `run` is 8 hexadecimal digits that tell this run from every other; drawn at random when absent.
    """

    def __init__(self, run: str | None = None) -> None:
        self._run = (run or secrets.token_hex(4)).upper()
        self._numbers = itertools.count(1)

    def wamid(self, contact: str, *, inbound: bool) -> str:
        """A message id: `wamid.` and base64 of the contact, the direction and a unique tail."""
        tail = f"{self._run}{next(self._numbers):010X}".encode()
        name = contact.encode()
        direction = b"\x15\x02\x00\x12\x18" if inbound else b"\x15\x02\x00\x11\x18"
        raw = b"\x1c\x18" + bytes([len(name) % 256]) + name + direction + bytes([len(tail)]) + tail + b"\x00"
        return "wamid." + base64.b64encode(raw).decode()

    def number(self) -> str:
        """A numeric id of 16 digits, as objects of the Graph have."""
        return f"{int(self._run, 16) % 10**6 + 10**6}{next(self._numbers):09d}"

    def trace(self) -> str:
        """An `fbtrace_id`."""
        return "A" + base64.urlsafe_b64encode(f"{self._run}{next(self._numbers):08X}".encode()).decode().rstrip("=")

    def secret(self) -> str:
        """An unguessable token or signup code; obviously not one of Meta's."""
        return "EMULATED" + secrets.token_urlsafe(24)
