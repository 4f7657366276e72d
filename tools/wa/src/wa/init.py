"""`wa init`: the settings of a new deployment in a file, with keys that nobody else has."""

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
The file has everything without which a service does not start. Only the app secret is missing, which Meta draws. A
shell reads it with: set -a; . ./.env; set +a

example: wa init --file .env
exit codes: 0 written; 1 it cannot be written; 3 it is there already
"""

_TEXT: Final = """\
# Settings of all services, written by `wa init`. Whoever reads this file has its keys: keep it out of version control.
# Values are in single quotes: a shell (set -a; . ./.env; set +a), docker compose and the services read the same.
# `python -m <service> --help` lists all settings of a service.

KAFKA_BOOTSTRAP_SERVERS='localhost:9092'
MONGODB_URI='mongodb://localhost:27017/?replicaSet=rs0'

# From the dashboard of your Meta app: App settings, Basic, App secret. Without it ingress refuses every webhook.
WHATSAPP_APP_SECRET=''
# More of them while one is changed, comma separated.
# WHATSAPP_APP_SECRETS=''

# Give the dashboard the same (WhatsApp, Configuration, Verify token).
WHATSAPP_VERIFY_TOKEN='{verify_token}'

# What callers of the API send (Authorization: Bearer …). Services do not need it: API_KEYS has its digest.
API_KEY='{api_key}'
# The keys that are accepted, as digests: python -m common.http.auth --name shop --scopes send,read
API_KEYS='{api_keys}'

# Keys of accounts that seal access tokens. Without them nothing in the database opens: keep a copy elsewhere.
ACCOUNTS_KEKS='{accounts_keks}'
# Keys that sign callback data; the same for sender and conversation.
CALLBACK_KEYS='{callback_keys}'
# Keys of the digests of verify tokens; the same for accounts and ingress.
VERIFY_DIGEST_KEYS='{verify_digest_keys}'

# How sender reaches the internal listeners of accounts and conversation. On one machine each service needs other ports:
#   HTTP_PORT=8001 .venv/bin/python -m ingress
#   HTTP_PORT=8002 INTERNAL_PORT=8082 .venv/bin/python -m conversation
#   HTTP_PORT=8003 .venv/bin/python -m sender
#   HTTP_PORT=8004 INTERNAL_PORT=8081 .venv/bin/python -m accounts
ACCOUNTS_INTERNAL_URL='http://localhost:8081'
ACCOUNTS_INTERNAL_KEY='{internal_key}'
CONVERSATION_INTERNAL_URL='http://localhost:8082'
CONVERSATION_INTERNAL_KEY='{internal_key}'

# The address of Meta is the default; a stand-in for it: .venv/bin/python -m graph_emulator --port 8085
# GRAPH_BASE_URL='http://localhost:8085'
"""


def register(groups: Any) -> None:
    """Add the command to the command line."""
    init = groups.add_parser(
        "init",
        help="write the settings of a new deployment, with new keys, into .env",
        description="Writes .env with new keys, readable by its owner alone. A file that is there stays as it is.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.add_argument("--file", type=Path, default=Path(".env"), metavar="PATH", help="where to (default: .env)")
    init.add_argument("--force", action="store_true", help="replace a file that is there, with the keys in it")
    init.set_defaults(run=run, kafka=False, bootstrap=None)


async def run(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """Write the file; the exit code."""
    path: Path = arguments.file
    text = env_text(f"{datetime.now(UTC):%Y-%m}", secrets.token_bytes)
    try:
        write_private(path, text, replace=arguments.force)
    except FileExistsError:
        raise Refused(
            f"{path} is there already and stays as it is. --force replaces it: what was sealed with the keys in it"
            " cannot be opened then"
        ) from None
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}") from None
    print(
        f"{path} is written, readable by you alone. Now put the app secret of your Meta app into WHATSAPP_APP_SECRET."
    )
    print("The key for the API is API_KEY in it. Next: wa topics ensure (with one broker: --replication 1), wa indexes")
    print("ensure, then start the services as the file shows, then wa doctor")
    return 0


def env_text(key_id: str, random: Callable[[int], bytes]) -> str:
    """The whole file. `random` draws so many bytes; each key gets its own. Pure but for that."""

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
    """Write `text` with mode 0600, whole or not at all. Raises `FileExistsError` unless it may `replace`."""
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
