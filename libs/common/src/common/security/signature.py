"""`X-Hub-Signature-256`: proof that Meta sent exactly these bytes (Meta, "Create a webhook endpoint").

The header is `sha256=` and the lower-case hex HMAC-SHA256 of the raw body, keyed with the app secret. It must be
computed over the bytes as they arrived: Meta escapes unicode and slashes, and parsing and writing again changes them.
"""

import hmac
import json
import re
from collections.abc import Sequence
from typing import Final

from common.security.pasted import clean

_PREFIX: Final = b"sha256="
_LENGTH: Final = len(_PREFIX) + 64
_FORM: Final = re.compile(rb"sha256=[0-9a-f]{64}")


def signature_of(body: bytes, secret: bytes) -> bytes:
    """The header value for `body`."""
    return _PREFIX + hmac.digest(secret, body, "sha256").hex().encode()


def looks_signed(header: bytes | None) -> bool:
    """Whether `header` has the form of a signature. Without it a body need not be read to be refused."""
    return header is not None and _FORM.fullmatch(header) is not None


def is_signed(body: bytes, header: bytes | None, secrets: Sequence[bytes]) -> bool:
    """Whether `header` signs `body` with any of the app secrets (several are valid during a rotation).

    Fails closed: no header, a malformed one, or no secret that is not empty means no. Compared in constant time.
    """
    if header is None or len(header) != _LENGTH:
        return False
    valid = False
    for secret in secrets:
        valid |= bool(secret) and hmac.compare_digest(signature_of(body, secret), header)
    return valid


def app_secrets(*texts: str) -> list[str]:
    """The settings `WHATSAPP_APP_SECRET` and `WHATSAPP_APP_SECRETS`, each comma separated or JSON: every secret once.

    White space around a secret is dropped. Raises `ValueError`, without what was given.
    """
    return list(dict.fromkeys(clean(secret) for text in texts for secret in _split(text)))


def _unquoted(text: str) -> str:
    """Without the quotes that `docker run --env-file` leaves in place, where a shell takes them off."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _split(text: str) -> list[str]:
    if not text.lstrip().startswith("["):
        return [_unquoted(part.strip()) for part in text.split(",") if part.strip()]
    try:
        secrets = json.loads(text)
    except ValueError:
        secrets = None
    if not isinstance(secrets, list) or not all(isinstance(secret, str) for secret in secrets):
        raise ValueError("it begins like JSON, but is not an array of strings")
    return secrets
