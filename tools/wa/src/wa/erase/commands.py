"""`wa erase`: the command."""

import argparse
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from common.kafka.settings import KafkaSettings
from common.mongo import Database, Mongo, MongoSettings, StaleReadSettings, schema
from wa import options
from wa.connection import connected, say, settings_of
from wa.erase.copies import await_copies
from wa.erase.erasing import Eraser, unknown_collections
from wa.erase.finding import Finder, Found
from wa.erase.person import Person
from wa.erase.reach import out_of_reach
from wa.erase.scope import Tenant
from wa.errors import Failed, Refused, Usage

_EPILOG: Final = """\
It may run while the services run. It erases the person from every collection of MongoDB: conversations, messages, the
webhook log, the journal, parked and scheduled sends. Parked and scheduled sends are cancelled, and their producers get
no notice. Usage records stay for accounting, without the person. If a run is interrupted, run it again: finished steps
are not repeated.

example: wa erase --contact +491510000001 --by ann --because "request 4711" --dry-run
exit codes: 0 done; 1 MongoDB does not answer, a member of its replica set has yet to copy the erasure, or Meta may be
            sending to the person now (run it again); 2 wrong usage; 3 refused
"""


class Settings(MongoSettings, StaleReadSettings):
    """From the environment."""


def register(groups: Any) -> None:
    """Add the command to the command line."""
    erase = groups.add_parser(
        "erase",
        help="erase a person from every collection, on their request",
        description="Erases a person, and lists what it cannot erase. Settings: MONGODB_URI, MONGODB_DATABASE, and"
        " READ_STALE_SECONDS as conversation has it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    erase.add_argument(
        "--contact", required=True, type=_person, metavar="WHO", help="phone number with country code, or BSUID"
    )
    erase.add_argument("--chatbot", metavar="ID", help="only at this chatbot (default: at all chatbots)")
    options.add_reason(erase, because_required=True)
    erase.add_argument("--dry-run", action="store_true", help="only print what would be erased")
    erase.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    erase.set_defaults(run=run, bootstrap=None, kafka=False)


async def run(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """Erase, and report; the exit code."""
    settings = settings_of(Settings)
    async with connected(settings) as mongo:
        return await _run(arguments, mongo, timedelta(seconds=settings.read_stale_seconds))


async def _run(arguments: argparse.Namespace, mongo: Mongo, stale: timedelta) -> int:
    database = mongo.database
    finder = Finder(database, say)
    _check_words(arguments, arguments.contact)
    found = await finder.find(arguments.contact, await _tenant(finder, arguments.chatbot))
    _check_words(arguments, found.scope.person)
    where = "at all chatbots" if found.scope.tenant is None else f"at {found.scope.tenant.chatbot}"
    print(f"known as {', '.join(found.scope.person.names)} {where}\nto erase: {_counts(found.counts())}")
    behind: Sequence[str] = ()
    if not arguments.dry_run:
        if not arguments.yes and not options.confirmed("erase this?"):
            raise Refused("nothing was erased: it was not confirmed")
        told = await _erase(arguments, database, found, finder)
        behind = await await_copies(mongo, stale, say)
        print(f"erased{f', but not yet on {_names(behind)}' if behind else ''}: {told}")
    print("\n".join(out_of_reach()))
    await _look_back(database, found)
    _check_copies(behind)
    return 0


def _check_words(arguments: argparse.Namespace, person: Person) -> None:
    """Check --by and --because for every name of the person. Raises `Usage`."""
    if any(person.is_named_in(text) for text in (arguments.by, arguments.because)):
        raise Usage(
            "--by and --because stay in the audit record, so they must not name the person: use a request number"
        )


async def _tenant(finder: Finder, chatbot: str | None) -> Tenant | None:
    if chatbot is None:
        return None
    tenant = await finder.tenant(chatbot)
    if tenant is None:
        raise Usage(f"there is no chatbot `{chatbot}`: no account and no conversation has that id")
    return tenant


async def _erase(arguments: argparse.Namespace, database: Database, found: Found, finder: Finder) -> str:
    """Erase, and write the audit record, which is inserted before the first change; what was done, in words."""
    now = datetime.now(UTC)
    erasures, key = database[schema.ERASURES.name], str(uuid.uuid4())
    told = {"by": arguments.by, "because": arguments.because, "chatbotId": arguments.chatbot}
    await erasures.insert_one({"_id": key, "begunAt": now, **{n: v for n, v in told.items() if v is not None}})
    eraser = Eraser(database, now, say)
    await eraser.erase(found, finder)
    done = {"counts": dict(+eraser.counts), "endedAt": datetime.now(UTC)}
    await erasures.update_one({"_id": key}, {"$set": done})
    return f"{_counts(eraser.counts)}; audit record {key} in {schema.ERASURES.name}"


async def _look_back(database: Database, found: Found) -> None:
    """Raise an error if something is left to do."""
    unknown = await unknown_collections(database)
    if unknown:
        raise Refused(f"this command does not know the collections {', '.join(unknown)}: check them yourself")
    under_way = await Eraser(database, datetime.now(UTC), say).under_way(found)
    if under_way:
        raise Failed(f"{under_way} sends to the person are under way at Meta and were not erased. Run it again soon")


def _check_copies(behind: Sequence[str]) -> None:
    """Raise an error if a member of the replica set still has the person."""
    if behind:
        raise Failed(
            f"{_names(behind)} have not told that they have copied the erasure. Nothing is read there while they are"
            " so far behind, and they copy it when they come back. Run this again then: it looks whether they have"
        )


def _names(members: Sequence[str]) -> str:
    return ", ".join(members)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing"


def _person(text: str) -> Person:
    try:
        return Person.named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
