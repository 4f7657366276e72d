"""`wa init`: the settings of a new deployment in a file, with fresh random keys."""

import argparse
import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from common.http.auth import digest
from common.kafka.settings import KafkaSettings
from common.security.key_ring import KEY_BYTES
from wa.errors import Failed, Refused

_EPILOG: Final = """\
The file has every setting that a service needs to start, except the app secret: copy that one from Meta's dashboard.
A shell reads the file with: set -a; . ./.env; set +a

example: wa init --file .env
exit codes: 0 written; 1 the file cannot be written; 3 the file exists already
"""

_TEXT: Final = """\
# Settings of all services, written by `wa init`. It contains secret keys: keep it out of version control.
# Values are in single quotes, because a shell (set -a; . ./.env; set +a), docker compose and the services then read
# them in the same way.
# `python -m <service> --help` lists all settings of a service.

KAFKA_BOOTSTRAP_SERVERS='localhost:9092'
MONGODB_URI='mongodb://localhost:27017/?replicaSet=rs0'

# From the dashboard of your Meta app: App settings, Basic, App secret. Without it ingress refuses every webhook.
WHATSAPP_APP_SECRET=''
# While you change the secret: further secrets, comma separated.
# WHATSAPP_APP_SECRETS=''

# Enter the same token in the dashboard (WhatsApp, Configuration, Verify token).
WHATSAPP_VERIFY_TOKEN='{verify_token}'

# Callers of the API send this key (Authorization: Bearer …). Services do not need it: API_KEYS has its digest.
API_KEY='{api_key}'
# Digests of the accepted keys. To add one: python -m common.http.auth --name shop --scopes send,read
API_KEYS='{api_keys}'

# accounts encrypts access tokens with these keys. Without them no stored token can be read: keep a copy elsewhere.
ACCOUNTS_KEKS='{accounts_keks}'
# Keys that sign callback data. sender and conversation need the same keys.
CALLBACK_KEYS='{callback_keys}'
# Keys for the digests of verify tokens. accounts and ingress need the same keys.
VERIFY_DIGEST_KEYS='{verify_digest_keys}'

# The internal listeners of accounts and conversation, for sender. On one machine each service needs its own ports:
#   HTTP_PORT=8001 .venv/bin/python -m ingress
#   HTTP_PORT=8002 INTERNAL_PORT=8082 .venv/bin/python -m conversation
#   HTTP_PORT=8003 .venv/bin/python -m sender
#   HTTP_PORT=8004 INTERNAL_PORT=8081 .venv/bin/python -m accounts
ACCOUNTS_INTERNAL_URL='http://localhost:8081'
ACCOUNTS_INTERNAL_KEY='{internal_key}'
CONVERSATION_INTERNAL_URL='http://localhost:8082'
CONVERSATION_INTERNAL_KEY='{internal_key}'

# Default: Meta itself. To use the emulator instead: .venv/bin/python -m graph_emulator --port 8085
# GRAPH_BASE_URL='http://localhost:8085'
"""


def register(groups: Any) -> None:
    """Add the command to the command line."""
    init = groups.add_parser(
        "init",
        help="write the settings of a new deployment, with new keys, into .env",
        description="Writes .env with new keys. Only its owner can read the file. An existing file is not changed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.add_argument("--file", type=Path, default=Path(".env"), metavar="PATH", help="file to write (default: .env)")
    init.add_argument("--force", action="store_true", help="replace an existing file and the keys in it")
    init.set_defaults(run=run, kafka=False, bootstrap=None)


async def run(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """Write the file; the exit code."""
    path: Path = arguments.file
    text = env_text(f"{datetime.now(UTC):%Y-%m}", secrets.token_bytes)
    try:
        write_private(path, text, replace=arguments.force)
    except FileExistsError:
        raise Refused(
            f"{path} exists already and was not changed. --force replaces it; data encrypted with its keys can then"
            " no longer be read"
        ) from None
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {path}; only you can read it. Now set WHATSAPP_APP_SECRET in it to the app secret of your Meta app.")
    print("The key for the API is API_KEY in that file. Next steps:")
    print("  wa topics ensure (with one broker: --replication 1)")
    print("  wa indexes ensure")
    print("  start the services as the file shows")
    print("  wa doctor")
    return 0


def env_text(key_id: str, random: Callable[[int], bytes]) -> str:
    """The text of the file. `random` returns so many random bytes; each key gets new ones. Otherwise pure."""

    def drawn(prefix: str) -> str:
        return prefix + base64.urlsafe_b64encode(random(KEY_BYTES)).decode().rstrip("=")

    def keys() -> str:
        return json.dumps({key_id: base64.b64encode(random(KEY_BYTES)).decode()})

    api_key, internal_key = drawn("wk_"), drawn("wk_")
    values: Mapping[str, str] = {
        "verify_token": drawn(""),
        "api_key": api_key,
        "internal_key": internal_key,
        "api_keys": json.dumps(
            [
                {"name": "operator", "sha256": digest(api_key), "scopes": ["accounts", "send", "read"]},
                {"name": "sender", "sha256": digest(internal_key), "scopes": ["credentials", "windows"]},
            ]
        ),
        "accounts_keks": keys(),
        "callback_keys": keys(),
        "verify_digest_keys": keys(),
    }
    return _TEXT.format(**values)


def write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write `text` with mode 0600, whole or not at all. An existing file raises `FileExistsError`, unless `replace`."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if replace:
            fresh.replace(path)
        else:
            os.link(fresh, path)  # fails when there is a file, and follows no link
    finally:
        fresh.unlink(missing_ok=True)
