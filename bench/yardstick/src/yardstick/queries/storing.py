"""What conversation reads and writes for a batch of records."""

from typing import Final
from unittest.mock import patch

from common.contracts.contacts import Contact
from common.mongo import schema
from conversation.batch import working_set
from conversation.read_api.documents import Documents
from conversation.store import RETENTION
from conversation.upkeep.moving import Moving
from yardstick.queries.query import Query
from yardstick.queries.world import World
from yardstick.stored.facts import fact_of, facts_of

_TURNS: Final = 20


async def _turns(world: World) -> None:
    """Messages of people who are there."""
    await world.apply([fact for _ in range(_TURNS) for fact in facts_of(world.fresh(), world.now)])


async def _strangers(world: World) -> None:
    """Messages of people who are not."""
    await world.apply([fact for _ in range(_TURNS) for fact in facts_of(world.stranger(), world.now)])


async def _again(world: World) -> None:
    """A batch that was cut off before its offsets were committed."""
    facts = facts_of(world.fresh(), world.now)
    await world.apply(facts)
    await world.apply(facts)


async def _stand_in(world: World) -> None:
    """Statuses that do not name their send, and come before its result."""
    turn, now = world.fresh(), world.now
    unsigned = turn.status("sent", now, signed=False)
    await world.apply([fact_of(turn, unsigned, 0)])
    await world.apply([fact_of(turn, turn.result(now), 1)])


def _names(world: World) -> tuple[Contact, Contact, Contact]:
    both = world.stranger().contact
    return Contact(wa_id=both.wa_id, name="A"), Contact(user_id=both.user_id, name="A"), both


async def _merge(world: World) -> None:
    """Meta names a phone number and a BSUID together, which were two people before, some time in the year.

    Merged conversations are passed over in listings. Were all of them new, they would be on every first page.
    """
    at = world.turn().moment
    for contact in _names(world):
        await world.apply([world.said(contact, at)])


async def _large_merge(world: World) -> None:
    """The same, with more messages than one transaction moves."""
    with patch.object(working_set, "MOVED_AT_ONCE", 0):
        await _merge(world)
    moving = Moving(world.mongo, world.store)
    if await moving.needed():
        await moving.run()


async def _number_of_another(world: World) -> None:
    """A phone number goes from one person to another."""
    phone, _, first = _names(world)
    await world.apply([world.said(first)])
    await world.apply([world.said(Contact(user_id=world.stranger().contact.user_id, wa_id=phone.wa_id, name="B"))])


async def _take_over(world: World) -> None:
    """A process takes partitions over from one that has died."""
    died, successor = world.store.owned_by("bench/7", sessions=2), world.store.owned_by("bench/7", sessions=2)
    async with died, successor:
        pass


async def _forms(world: World) -> None:
    """What a process asks when it starts, as the first of its version and later."""
    await world.database[schema.STORED_FORMS.name].delete_one({"_id": RETENTION})
    await world.store.ensure_indexes()
    await Documents(world.database).counted_since()


STORING: Final = (
    Query("batch of twenty turns", _turns),
    Query("batch of twenty new people", _strangers),
    Query("batch that comes again", _again),
    Query("statuses before their result", _stand_in),
    Query("merge of two people", _merge),
    Query("merge of a large conversation", _large_merge),
    Query("number of another person", _number_of_another),
    Query("partition taken over", _take_over),
    Query("start of conversation", _forms),
)
