"""`python -m common.security.keys new`: draw a key-encryption key."""

import argparse
import base64
import json
import os
import sys

from common.security.envelope import KEY_BYTES


def main(argv: list[str] | None = None) -> int:
    """Print a new key, ready for `ACCOUNTS_KEKS`."""
    parser = argparse.ArgumentParser(prog="python -m common.security.keys", description="Draw a key-encryption key.")
    parser.add_argument("verb", choices=["new"])
    parser.add_argument("--id", default="kek-1", help="its id, for example the month (default: kek-1)")
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    print(f"ACCOUNTS_KEKS={json.dumps({arguments.id: key})}")  # noqa: T201  # its output
    print(f"ACCOUNTS_PRIMARY_KEK={arguments.id}")  # noqa: T201  # its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
