"""`python -m common.security.keys new`: draw a key-encryption key, or one for another use (`--for`)."""

import argparse
import base64
import json
import os
import sys
from typing import Final

from common.security.key_ring import KEY_BYTES

SETTINGS: Final = {
    "kek": ("ACCOUNTS_KEKS", "ACCOUNTS_PRIMARY_KEK"),
    "callback": ("CALLBACK_KEYS", "CALLBACK_PRIMARY_KEY"),
    "verify-digest": ("VERIFY_DIGEST_KEYS", "VERIFY_DIGEST_PRIMARY_KEY"),
}
"""Use → the setting that has its keys, and the one that names the primary key. All are of 32 bytes."""


def main(argv: list[str] | None = None) -> int:
    """Print a new key, ready for its setting."""
    parser = argparse.ArgumentParser(prog="python -m common.security.keys", description="Draw a key.")
    parser.add_argument("verb", choices=["new"])
    parser.add_argument("--for", dest="use", choices=sorted(SETTINGS), default="kek", help="its use (default: kek)")
    parser.add_argument("--id", help="its id, for example the month (default: kek-1, or key-1 for another use)")
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    keys, primary = SETTINGS[arguments.use]
    key_id = arguments.id or ("kek-1" if arguments.use == "kek" else "key-1")
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    print(f"{keys}={json.dumps({key_id: key})}")  # noqa: T201  # its output
    print(f"{primary}={key_id}")  # noqa: T201  # its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
