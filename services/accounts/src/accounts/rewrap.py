"""`python -m accounts rewrap`: wrap every data key by the primary key-encryption key. The service may run."""

import asyncio
import logging
import sys

from accounts.core import rewrapped
from accounts.settings import Settings
from accounts.store import AccountStore
from common.errors import Unavailable
from common.mongo import Mongo
from common.security.key_ring import SecretsError

log = logging.getLogger(__name__)

_PROGRESS_EVERY = 1_000


async def rewrap(settings: Settings) -> tuple[int, int]:
    """Re-wrap what is not wrapped by the primary key yet. Returns (accounts seen, accounts re-wrapped).

    Raises `SecretsError` at the first account that none of the keys opens. Harmless to repeat and to interrupt.
    """
    mongo = Mongo(settings, limited=False)
    store = AccountStore(mongo)
    keys = settings.key_ring()
    seen = changed = 0
    try:
        async for document in store.all():
            seen += 1
            secrets = rewrapped(document, keys)
            # Each by itself, because one that was changed meanwhile is wrapped already, and the other is not.
            done = [await store.reseal(document["_id"], document, name, sealed) for name, sealed in secrets.items()]
            changed += any(done)
            if seen % _PROGRESS_EVERY == 0:
                log.info("re-wrapping", extra={"seen": seen, "rewrapped": changed})
    finally:
        await mongo.close()
    return seen, changed


def main(settings: Settings) -> int:
    """Run it and say what was done."""
    try:
        seen, changed = asyncio.run(rewrap(settings))
    except (SecretsError, Unavailable) as error:
        print(f"stopped: {error}", file=sys.stderr)  # noqa: T201  # its output
        return 1
    print(f"{seen} accounts, {changed} re-wrapped by `{settings.key_ring().primary}`")  # noqa: T201  # its output
    return 0
