"""`wa keys`: makes and lists the key-encryption keys of accounts, and rewraps secrets with the primary key."""

import argparse
import asyncio
import importlib.util
import sys
from collections import Counter
from typing import Any, Final

from common.kafka.settings import KafkaSettings
from common.mongo import Database, MongoSettings, schema
from common.security import keys
from common.security.key_ring import KeyRing
from wa import options
from wa.connection import connected, settings_of
from wa.doctor.checks import KeksSettings, key_ring
from wa.errors import Failed, Usage

_SECRETS: Final = ("accessToken", "webhookVerifyToken")
_SERVICE: Final = "accounts"


def register(groups: Any) -> None:
    """Add the group to the command line."""
    verbs = options.add_group(groups, "keys", "key-encryption keys: new, list, rewrap", "wa keys list")
    new = options.add_command(
        verbs,
        "new",
        "print a new random key; it is stored nowhere, so put it into your secret store",
        "wa keys new --id 2026-12",
        settings="none",
    )
    new.add_argument(
        "--id",
        default="kek-1",
        type=options.words,
        metavar="ID",
        help="id of the key, for example the month (default: kek-1)",
    )
    new.set_defaults(run=run_new)
    listed = options.add_command(
        verbs,
        "list",
        "list the ids of the keys and how many secrets each wraps; exit code 3 if a key that is used is not configured",
        "wa keys list",
        settings="MONGODB_*, ACCOUNTS_KEKS, ACCOUNTS_PRIMARY_KEK",
    )
    listed.set_defaults(run=run_list)
    rewrap = options.add_command(
        verbs,
        "rewrap",
        "wrap every secret with the primary key, while accounts runs; needs accounts installed beside wa",
        "wa keys rewrap",
        settings="those of accounts",
    )
    rewrap.set_defaults(run=run_rewrap)


async def run_new(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """`wa keys new`; the exit code."""
    return keys.main(["new", "--id", arguments.id])


async def run_list(_: argparse.Namespace, __: KafkaSettings) -> int:
    """`wa keys list`; the exit code."""
    settings = settings_of(KeksSettings)
    ring = key_ring(settings)
    if not isinstance(ring, KeyRing):
        raise Usage(f"{ring.says}: {ring.fix}")
    wrapped = await _wrapped(settings)
    for kek in sorted({*ring.keks, *wrapped}):
        role = "primary" if kek == ring.primary else "configured" if kek in ring.keks else "NOT CONFIGURED"
        idle = "; may be removed" if role == "configured" and not wrapped[kek] else ""
        print(f"{kek:24} {role:15} wraps {wrapped[kek]:,} secrets{idle}")
    return 3 if wrapped.keys() - ring.keks.keys() else 0


async def run_rewrap(_: argparse.Namespace, __: KafkaSettings) -> int:
    """`wa keys rewrap`; the exit code of the service's own command, because only accounts writes its collection."""
    if importlib.util.find_spec(_SERVICE) is None:
        raise Failed(
            f"{_SERVICE} is not installed here: run `python -m accounts rewrap` where it is installed"
            " (kubectl exec deploy/accounts -- python -m accounts rewrap)"
        )
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", _SERVICE, "rewrap")
    return await process.wait()


async def _wrapped(settings: MongoSettings) -> Counter[str]:
    async with connected(settings) as mongo:
        return await _count(mongo.database)


async def _count(database: Database) -> Counter[str]:
    fields = {f"{name}.kek": 1 for name in _SECRETS}
    found: Counter[str] = Counter()
    async for document in database[schema.ACCOUNTS.name].find({}, fields):
        found.update(document[name]["kek"] for name in _SECRETS if name in document)
    return found
