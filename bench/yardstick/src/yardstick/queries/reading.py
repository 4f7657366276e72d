"""The queries of the read API, as its routes ask for them."""

from datetime import timedelta
from typing import Any, Final

from common.contracts.stored.usage import ALWAYS, COUNTED
from common.mongo import schema
from common.mongo.failover.waited_reads import Snapshot
from conversation.read_api.documents import Documents
from conversation.read_api.message_filter import MessageFilter, parse_filter
from conversation.read_api.queries import Reach, ReadQueries
from conversation.read_api.usage import Days, days_of
from yardstick.queries.query import Query
from yardstick.queries.world import EVERYONE, MANY, PAGE, World

_FAILED: Final = parse_filter("failed", None, None)
_EVENTS: Final = schema.WEBHOOK_EVENTS.name
_USAGE: Final = schema.USAGE_LOGS.name


def _one(world: World) -> Reach:
    return Reach(frozenset([world.turn().chatbot]))


def _all(_: World) -> Reach:
    return EVERYONE


def _many(_: World) -> Reach:
    return MANY


def _day(world: World) -> MessageFilter:
    since = world.turn().received
    return parse_filter("failed", since.isoformat(), (since + timedelta(days=1)).isoformat())


def _month(world: World) -> Days:
    return days_of(None, None, world.now.date())


def _pairs(world: World) -> list[tuple[str, str]]:
    turns = [world.turn() for _ in range(10)]
    return [(turn.phone_number_id, f"+{turn.contact.wa_id}") for turn in turns]


async def _by_send(world: World) -> Any:
    turn = world.turn()
    return await world.reads.message(EVERYONE, turn.message_id, turn.chatbot)


async def _before_counters(world: World) -> None:
    """As after an update, when the log of some days has to be counted."""
    form, forms = {"_id": COUNTED}, world.database[schema.STORED_FORMS.name]
    await forms.update_one(form, {"$set": {"since": world.now - timedelta(days=3)}}, upsert=True)
    await world.reads.usage_groups(EVERYONE, None, _month(world))
    await world.reads.usage_groups(_one(world), None, _month(world))
    await forms.update_one(form, {"$set": {"since": ALWAYS}})


async def _snapshot(world: World) -> None:
    """As of a secondary: the same queries in a snapshot session. The primary answers them here."""
    async with world.mongo.client.start_session(snapshot=True) as session:
        reads = ReadQueries(Documents(Snapshot(world.database, session)))
        await reads.conversations(EVERYONE, None, None, PAGE)
        await reads.thread(EVERYONE, world.conversation(), None, PAGE)
        await reads.usage_groups(_one(world), None, _month(world))


def _listings(whose: str, reach: Any) -> list[Query]:
    """The first and a deep page of each listing."""
    return [
        Query(f"conversations of {whose}, first page", lambda w: w.reads.conversations(reach(w), None, None, PAGE)),
        Query(
            f"conversations of {whose}, any page", lambda w: w.reads.conversations(reach(w), None, w.recently(), PAGE)
        ),
        Query(f"failed messages of {whose}, first page", lambda w: w.reads.found(reach(w), None, _FAILED, None, PAGE)),
        Query(
            f"failed messages of {whose}, any page", lambda w: w.reads.found(reach(w), None, _FAILED, w.behind(), PAGE)
        ),
        Query(f"usage of {whose}, first page", lambda w: w.reads.usage(reach(w), None, None, PAGE)),
        Query(f"usage of {whose}, any page", lambda w: w.reads.usage(reach(w), None, w.behind(_USAGE), PAGE)),
    ]


READING: Final = (
    *_listings("one chatbot", _one),
    *_listings("all chatbots", _all),
    *_listings("174 chatbots", _many),
    Query("failed messages of a day", lambda w: w.reads.found(EVERYONE, None, _day(w), None, PAGE)),
    Query("conversation", lambda w: w.reads.conversation(EVERYONE, w.conversation())),
    Query("thread, first page", lambda w: w.reads.thread(EVERYONE, w.conversation(), None, PAGE)),
    Query("thread, any page", lambda w: w.reads.thread(EVERYONE, w.conversation(), w.behind(place=2), PAGE)),
    Query("message", lambda w: w.reads.message(EVERYONE, w.inbound(), None)),
    Query("message by wamid", lambda w: w.reads.message(EVERYONE, w.turn().wamid_out, None)),
    Query("message by messageId", _by_send),
    Query("whether sends have ended", lambda w: w.reads.have_ended([w.turn().journal_id for _ in range(2)])),
    Query("webhook log, first page", lambda w: w.reads.webhook_events(PAGE, None)),
    Query("webhook log, any page", lambda w: w.reads.webhook_events(PAGE, w.behind(_EVENTS))),
    Query("usage summary of one chatbot", lambda w: w.reads.usage_groups(_one(w), None, _month(w))),
    Query("usage summary of all chatbots", lambda w: w.reads.usage_groups(EVERYONE, None, _month(w))),
    Query("usage summary before the counters", _before_counters, whole=True),
    Query("listings as of a secondary", _snapshot, whole=True),
    Query("windows of ten people", lambda w: w.reads.windows(_pairs(w))),
)
