"""What the sender reads and writes: its journal, waiting sends, uploads and numbers."""

import dataclasses
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from common.contracts.messages import MetaError, StatusData
from common.meta.errors import OPTED_OUT
from common.meta.numbers import NumberFacts
from common.mongo import schema
from sender.gauges import WaitingCounts
from sender.journal.forms import DATED, DatedIds
from sender.journal.transition import Transition
from sender.media.store import CachedUpload, key_of
from sender.waiting.adoption import Adoption
from yardstick.queries.query import Query
from yardstick.queries.world import CHATBOTS, FIRST, PARTITIONS, World, parked, scheduled
from yardstick.stored.facts import accepted_of, claim_of

_JOURNAL: Final = schema.SEND_JOURNAL.name
_FEW: Final = 4
_MANY: Final = 40
"""So many new entries are inserted, and fewer are upserted."""


async def _send(world: World, count: int) -> None:
    sends = [world.fresh() for _ in range(count)]
    claims = [claim_of(turn, world.now) for turn in sends]
    await world.journal.write(claims)
    accepted = [accepted_of(turn, claimed, world.now) for turn, claimed in zip(sends, claims, strict=True)]
    await world.journal.write(accepted)
    await world.journal.write(claims)  # of another owner: all of them stand otherwise


async def _ids(world: World, count: int = 20) -> list[str]:
    return [world.turn(_JOURNAL).journal_id for _ in range(count)]


async def _load(world: World) -> None:
    await world.journal.load(await _ids(world))


async def _unsettled(world: World) -> None:
    ids = await _ids(world)
    await world.journal.unsettled_among(ids, ids[:5])
    await world.journal.ended_among(ids)


async def _take_over(world: World) -> None:
    await world.journal.sent_since(world.now - timedelta(minutes=5))


async def _opt_out(world: World) -> None:
    """A person who has stopped marketing messages: told at once, and later by a status."""
    turn, told = world.fresh(), world.now
    claimed = claim_of(turn, told)
    entry = replace(claimed.entry, template="spring-sale")
    await world.journal.write([Transition(entry, None)])
    status = StatusData(
        status="failed",
        delivery_status="failed",
        journal_id=turn.journal_id,
        chatbot_id=turn.chatbot,
        phone_number_id=turn.phone_number_id,
        error=MetaError(code=OPTED_OUT),
    )
    await world.opt_outs.note(status, told)
    await world.opt_outs.of([f"{turn.chatbot}|p:{turn.contact.wa_id}", "nobody"])
    await world.opt_outs.marketing(told - timedelta(days=1))


async def _park(world: World) -> None:
    nth = world.chance.randrange(world.waiting)
    await world.parked.park([parked(nth, "again"), parked(nth + 10 * world.waiting)])
    await world.parked.postpone([(f"parked-{nth}", "again", 0.0, False)])
    await world.parked.wait_of(f"parked-{nth}")
    await world.parked.remove([(f"parked-{nth + 10 * world.waiting}", FIRST)])


async def _lane(world: World) -> None:
    partition, lane, group = world.lane()
    await world.parked.first(partition, lane, -1, 50)
    await world.parked.next_of_backlog(partition, group, -1, 10**9, 50)


async def _parked_of_partition(world: World) -> None:
    partition = world.chance.randrange(PARTITIONS)
    await world.parked.backlogs(partition)
    await world.parked.named(partition)
    await world.parked.waiting(partition)


async def _schedule(world: World) -> None:
    nth = world.chance.randrange(world.waiting)
    new = scheduled(nth + 10 * world.waiting, world.now.timestamp())
    await world.scheduled.put([new])
    await world.scheduled.due_of(f"scheduled-{nth}")
    await world.scheduled.hasten(f"scheduled-{nth}")
    await world.scheduled.due_by(world.chance.randrange(PARTITIONS), world.now.timestamp() + 1_000, 100)
    await world.scheduled.remove([(new.id, new.token)])


async def _hasten(world: World) -> None:
    partition = world.chance.randrange(PARTITIONS)
    await world.scheduled.hasten_apart(partition, world.chance.choice(CHATBOTS), "template")
    await world.scheduled.hasten_apart(partition, world.chance.choice(CHATBOTS), None)


async def _adopt(world: World) -> None:
    """Scheduled sends of a partition that does not exist. The others are not those of their chatbots, and stay."""
    later = scheduled(10 * world.waiting, world.now.timestamp() + 1_000)
    gone = dataclasses.replace(later, record=dataclasses.replace(later.record, partition=PARTITIONS))
    await world.scheduled.put([gone])
    await Adoption(world.scheduled, world.parked).look(PARTITIONS)


async def _dated(world: World) -> None:
    """By the first process that asks."""
    await world.database[schema.STORED_FORMS.name].delete_one({"_id": DATED})
    await DatedIds(world.database).since()


async def _media(world: World) -> None:
    turn = world.turn()
    key, now = key_of(turn.phone_number_id, turn.message_id), world.now
    await world.media.put(key, CachedUpload("1", "image/png", now, now + timedelta(days=30)))
    await world.media.load(key, now)
    await world.media.forget(key, now + timedelta(seconds=1))


async def _numbers(world: World) -> None:
    turn = world.turn()
    await world.numbers.put(turn.chatbot, turn.phone_number_id, NumberFacts(), 80.0, world.now)
    await world.numbers.of_chatbot(turn.chatbot)


async def _gauges(world: World) -> None:
    await WaitingCounts(world.database)._look()  # noqa: SLF001  # it is a loop otherwise


SENDING: Final = (
    Query("few sends", lambda w: _send(w, _FEW)),
    Query("many sends", lambda w: _send(w, _MANY)),
    Query("entries of the journal", _load),
    Query("entries that a status changes", _unsettled),
    Query("numbers taken over", _take_over),
    Query("opt-out", _opt_out),
    Query("parked send", _park),
    Query("parked lane", _lane),
    Query("parked sends of a partition", _parked_of_partition),
    Query("scheduled send", _schedule),
    Query("a template is accepted again", _hasten),
    Query("scheduled sends taken over", _adopt),
    Query("since when ids are dated", _dated, whole=True),
    Query("upload", _media),
    Query("number", _numbers),
    Query("gauges of what waits", _gauges),
)
