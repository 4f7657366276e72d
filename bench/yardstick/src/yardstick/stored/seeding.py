"""MongoDB filled with turns, a hundred times faster than the services could write them."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from common.contracts.ids import derive_id, inbound_message_id, ordered_id, random_id
from common.mongo import Document, schema
from yardstick.stored.facts import KEPT, documents_of, offset_of
from yardstick.stored.template import Template, packed
from yardstick.stored.turn import STATUSES, People, Turn

_BATCH: Final = 2_000  # turns
_THREADS: Final = 2


class Seeds:
    """What the services keep of any turn, made from what they keep of one, by their own rules."""

    def __init__(self, people: People, words: Sequence[str] = STATUSES, last: int = 1) -> None:
        """With `last`, a conversation is as after so many turns."""
        self._people = people
        first = people.turn(0)
        made = documents_of(first, first.received, words)
        self._events = len(made[schema.WEBHOOK_EVENTS.name])
        self._values = [*_names(first), *_ids(made)]
        (conversation,) = made[schema.CONVERSATIONS.name]
        conversation.update({name: last * conversation[name] for name in ("inboundCount", "outboundCount")})
        self._templates = {
            name: [Template(document, self._values) for document in documents] for name, documents in made.items()
        }

    def of(self, number: int) -> dict[str, list[bytes]]:
        """The documents of turn `number`, encoded, by collection; a conversation only with its first turn."""
        new = number < self._people.count
        return self.some(number, [name for name in self._templates if name != schema.CONVERSATIONS.name or new])

    def some(self, number: int, collections: Iterable[str]) -> dict[str, list[bytes]]:
        """The documents of turn `number` in these collections, encoded."""
        turn = self._people.turn(number)
        values = [*map(packed, _names(turn)), *map(packed, _new_ids(turn, self._events))]
        return {name: [template.filled(values) for template in self._templates[name]] for name in collections}


def _names(turn: Turn) -> list[str | datetime]:
    """What is different in every turn, except ids that are derived."""
    origins = [f"/{turn.customer % 6}/{offset_of(turn.number, nth)}" for nth in range(4)]
    return [
        turn.received,
        turn.received.replace(microsecond=0),
        turn.received + KEPT,
        turn.at,
        turn.timestamp,
        turn.received.strftime("%Y-%m-%d"),
        turn.phone_number_id,
        turn.chatbot,
        turn.contact.user_id or "",
        turn.contact.wa_id or "",
        turn.contact.name or "",
        turn.message_id,
        turn.journal_id,
        turn.wamid_in,
        turn.wamid_out,
        turn.question,
        turn.answer,
        *origins,
    ]


def _ids(made: dict[str, list[Document]]) -> list[str]:
    """The ids of the first turn's documents."""
    (conversation,) = made[schema.CONVERSATIONS.name]
    inbound = made[schema.MESSAGES.name][0]
    sent, priced = made[schema.USAGE_LOGS.name]
    events = [entry["recordId"] for entry in made[schema.WEBHOOK_EVENTS.name]]
    (entry,) = made[schema.SEND_JOURNAL.name]
    return [conversation["_id"], inbound["_id"], sent["_id"], priced["_id"], *events, entry["token"][:32]]


def conversation_of(turn: Turn) -> str:
    """The id of the conversation of this turn's customer."""
    return derive_id("conversation", turn.chatbot, turn.contact.wa_id or "")


def _new_ids(turn: Turn, events: int) -> list[str]:
    """The same of another turn."""
    return [
        conversation_of(turn),
        inbound_message_id(turn.phone_number_id, turn.wamid_in),
        ordered_id(turn.received, "usage", "send", turn.journal_id),
        ordered_id(turn.received, "usage", "pricing", f"{turn.journal_id}|{turn.wamid_out}"),
        *(random_id() for _ in range(events)),
        f"{turn.number:032x}",
    ]


def fill(uri: str, database: str, people: People, turns: int) -> None:
    """Write that many turns, without journal; blocks."""
    seeds = Seeds(people)
    client: MongoClient[RawBSONDocument] = MongoClient(uri, document_class=RawBSONDocument)
    quick = client.get_database(database, write_concern=WriteConcern(w=1, j=False))

    def insert(first: int) -> None:
        made = [seeds.of(number) for number in range(first, min(first + _BATCH, turns))]
        for name in made[0] | made[-1]:
            documents = [RawBSONDocument(one) for turn in made for one in turn.get(name, ())]
            if documents:
                quick[name].insert_many(documents, ordered=False)

    with client, ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(insert, range(0, turns, _BATCH)):
            pass
