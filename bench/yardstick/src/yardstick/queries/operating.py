"""What `wa` reads and writes."""

import argparse
import contextlib
import io
from datetime import timedelta
from typing import Final

from common.contracts.envelope import decode, decoder
from common.contracts.ids import inbound_message_id
from common.contracts.sends import SendResult
from common.mongo import schema
from common.mongo.migrations import ALL
from sender.waiting.stored_record import to_document
from wa import journal, keys
from wa.doctor.checks import check_mongodb, check_secrets
from wa.erase import commands
from wa.erase.person import Person
from wa.index_changes import planned_changes
from wa.migrate import count, migrate
from wa.partitions import requeue
from wa.partitions.moving import Known
from wa.partitions.parked import scheduled_beyond
from wa.usage import Rebuilding, trust_counters
from yardstick.queries.query import Query
from yardstick.queries.world import DIGESTS, PARTITIONS, World, waiting_for


def _silent(_: str) -> None:
    pass


async def _doctor(world: World) -> None:
    await check_mongodb(world.mongo)
    await check_secrets(world.mongo, DIGESTS.ring)


async def _keys(world: World) -> None:
    await keys._count(world.database)  # noqa: SLF001  # the command makes a client of its own


async def _journal(world: World) -> None:
    results = [decode(decoder(SendResult), world.fresh().result(world.now).value) for _ in range(5)]
    await journal._enter(world.database, results, timedelta(days=30))  # noqa: SLF001  # the command reads Kafka


async def _indexes(world: World) -> None:
    """Before the indexes are there: in a database of its own, because it would take long to make them again."""
    beside = world.mongo.client[f"{world.database.name}_beside"]
    await beside[schema.CONVERSATIONS.name].insert_many([{"aliases": ["1|p:1"], "chatbotId": "a"} for _ in range(2)])
    await planned_changes(beside)
    await world.mongo.client.drop_database(beside)


async def _rebuild(world: World) -> None:
    """A day of a chatbot that has entries then."""
    turn = world.turn(schema.USAGE_LOGS.name)
    last = turn.at.date()
    rebuilding = Rebuilding(world.mongo, last, last, lower=False, say=_silent)
    await rebuilding.run(turn.chatbot)


async def _rebuild_all(world: World) -> None:
    day = world.now.date() + timedelta(days=1)
    await Rebuilding(world.mongo, day, day, lower=False, say=_silent).run(None)
    await world.database[schema.STORED_FORMS.name].update_one(
        {"_id": "usage_days"}, {"$set": {"since": world.now - timedelta(days=3)}}
    )
    await trust_counters(world.database, world.now)


async def _migrations(world: World) -> None:
    for migration in ALL:
        await count(world.database, migration, _silent)
        await migrate(world.database, migration, _silent)


async def _erase(world: World) -> None:
    """A person with sends that wait.

    One of their messages has gone while the webhook log still has its events, and one is in no known conversation.
    """
    turn = world.turn(schema.SEND_JOURNAL.name)
    arguments = argparse.Namespace(
        contact=Person.named(f"+{turn.contact.wa_id}"),
        chatbot=turn.chatbot,
        by="bench",
        because="bench",
        dry_run=False,
        yes=True,
    )
    waits, due = waiting_for(turn)
    await world.store.messages.delete_one({"_id": turn.journal_id})
    other = inbound_message_id(turn.phone_number_id, turn.wamid_in)
    await world.store.messages.update_one({"_id": other}, {"$set": {"conversationId": "unknown"}})
    await world.parked.park([waits])
    await world.scheduled.put([due])
    with contextlib.redirect_stdout(io.StringIO()):
        await commands._run(arguments, world.mongo, timedelta(minutes=5))  # noqa: SLF001  # the command makes a client of its own


async def _waiting(world: World) -> None:
    """Waiting sends that stand where they do not belong; what goes to Kafka is left out."""
    turn = world.turn(schema.SEND_JOURNAL.name)
    waits, due = waiting_for(turn)
    await world.parked.park([waits])
    await world.scheduled.put([due])
    topic = requeue.SendTopic(PARTITIONS, {}, everything=True)
    await requeue.count(world.database, topic)
    await scheduled_beyond(world.database, PARTITIONS)
    send = Known(turn.chatbot, turn.message_id)
    await requeue.change(
        world.database, [({"_id": due.id, "token": due.token, **to_document(due.record)}, send)], topic
    )
    await requeue.remove(world.database, [{"_id": waits.id, "token": waits.token}])
    await world.scheduled.remove([(due.id, due.token)])


OPERATING: Final = (
    Query("wa doctor", _doctor, whole=True),
    Query("wa keys", _keys, whole=True),
    Query("wa journal restore", _journal),
    Query("wa indexes plan", _indexes, whole=True),
    Query("wa usage rebuild, a day of a chatbot", _rebuild),
    Query("wa usage rebuild", _rebuild_all, whole=True),
    Query("wa migrate", _migrations, whole=True),
    Query("wa sends requeue", _waiting, whole=True),
    Query("wa erase", _erase, whole=True),
)
