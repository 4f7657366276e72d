"""The secrets of our own sample files, which are public: good for one machine with a stand-in for Meta."""

import base64
import binascii
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from common.http.auth import ApiKey
from common.security.key_ring import KEY_BYTES

_KEKS: Final = frozenset({bytes(KEY_BYTES)})
_SIGNING: Final = frozenset({bytes(KEY_BYTES), b"\1" * KEY_BYTES})
_KEYS: Final = frozenset({"wk_fake_internal_key_of_the_compose_file", "wk_fake_demo_key_of_the_compose_file"})
_DIGESTS: Final = frozenset(
    {
        "de071496237cfed869b49978bed091b2e37d17493fbd7974fd75ca367cb4cf22",
        "af9857b31906206802606e5775036d430eab720bf46f855e38997f485d03cdb8",
    }
)
_REAL: Final = ("facebook.com", "whatsapp.com", "meta.com")


def is_real(graph_base_url: str) -> bool:
    """Whether a Graph address is Meta's own, where real people are written to."""
    host = (urlsplit(graph_base_url).hostname or "").rstrip(".").lower()
    return any(host == name or host.endswith(f".{name}") for name in _REAL)


def refuse_samples(
    graph_base_url: str,
    *,
    keks: Iterable[str] = (),
    signing: Iterable[str] = (),
    keys: Iterable[str] = (),
    accepted: Iterable[ApiKey] = (),
) -> None:
    """Raises `ValueError` when Meta is real and one of the secrets is a sample; it says what to do and shows none.

    `keks` (keys that seal) and `signing` (keys of digests) are base64, `keys` are API keys that we show, `accepted`
    those that we accept.
    """
    if not is_real(graph_base_url):
        return
    if any(_bytes_of(kek) in _KEKS for kek in keks):
        raise ValueError(
            "ACCOUNTS_KEKS has the sample key, which everybody knows, and GRAPH_BASE_URL is Meta's: draw a key with"
            " `python -m common.security.keys new`"
        )
    if any(_bytes_of(key) in _SIGNING for key in signing):
        raise ValueError(
            "CALLBACK_KEYS or VERIFY_DIGEST_KEYS has a sample key, which everybody knows, and GRAPH_BASE_URL is Meta's:"
            " draw keys with `python -m common.security.keys new --for callback` (or `--for verify-digest`)"
        )
    if not _KEYS.isdisjoint(keys) or not _DIGESTS.isdisjoint(key.sha256 for key in accepted):
        raise ValueError(
            "an API key is one of the samples, which everybody knows, and GRAPH_BASE_URL is Meta's: draw keys with"
            " `python -m common.http.auth` (API_KEYS, ACCOUNTS_INTERNAL_KEY, CONVERSATION_INTERNAL_KEY)"
        )


def _bytes_of(kek: str) -> bytes:
    try:
        return base64.b64decode(kek)
    except (binascii.Error, ValueError):
        return b""
