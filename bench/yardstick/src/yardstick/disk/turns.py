"""Turns as people have them: texts of their own, and messages of several kinds. Pure, and always the same.

Of ten messages seven are texts; the others are pictures, voice notes, buttons that were pressed, reactions and places.
Of ten answers seven are texts; the others are buttons and templates.
"""

import base64
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from common.contracts import topics
from common.kafka.records import Outgoing, read_headers
from conversation.batch.core import plan
from conversation.batch.working_set import Known
from sender.api.enqueue import entered, record_of
from sender.delivery import results
from sender.records.job import Job, Position
from sender.records.parsing import read_record
from yardstick.disk.texts import text
from yardstick.stored.facts import ORDERED_SINCE, accepted_of, claim_of, facts_of
from yardstick.stored.turn import People, Turn

_KINDS: Final = ("text",) * 14 + ("image", "image", "audio", "button", "reaction", "location")
_ANSWERS: Final = ("text",) * 7 + ("buttons", "buttons", "template")


@dataclass(frozen=True, slots=True)
class VariedTurn(Turn):
    """A turn whose texts and kinds follow from its number."""

    @property
    def question(self) -> str:
        """What the customer writes."""
        chance = self._chance("question")
        return text(chance, chance.choice((2, 4, 7, 11, 16, 24)))

    @property
    def content(self) -> dict[str, Any]:
        """What the customer's message says, in Meta's form."""
        chance = self._chance("content")
        kind = chance.choice(_KINDS)
        if kind == "text":
            return {"type": "text", "text": {"body": self.question}}
        return {"type": _TYPES.get(kind, kind), **_CONTENTS[kind](self, chance)}

    @property
    def message(self) -> Any:
        """What the bot answers, in the form of a request."""
        chance = self._chance("answer")
        words = text(chance, chance.choice((8, 14, 22, 35, 50)))
        kind = chance.choice(_ANSWERS)
        if kind == "text":
            return words
        if kind == "template":
            parameters = [{"type": "text", "text": text(chance, 2)} for _ in range(3)]
            body = {"type": "body", "parameters": parameters}
            content = {"name": "order_update", "language": {"code": "en_US"}, "components": [body]}
            return {"type": "template", "template": content}
        replies = [{"type": "reply", "reply": {"id": f"choice-{n}", "title": text(chance, 2)[:20]}} for n in range(3)]
        content = {"type": "button", "body": {"text": words}, "action": {"buttons": replies}}
        return {"type": "interactive", "interactive": content}

    def send(self) -> Outgoing:
        """The record of the bot's request, as the API writes it."""
        request = {"chatbotId": self.chatbot, "to": f"+{self.contact.wa_id}", "message": self.message}
        return record_of(request, self.chatbot, self.message_id, {}, entered({}))

    def job(self) -> Job:
        """What the sender reads of it. Raises `TypeError` when it does not understand it."""
        sent = self.send()
        position = Position(sent.topic, self.customer % 6, 1_000_000_000 + self.number)
        job = read_record(position, sent.value, read_headers(sent.headers), retried=False)
        if not isinstance(job, Job):
            raise TypeError(job.error)
        return job

    def result(self, now: datetime) -> Outgoing:
        """The record of the sender's result, as the sender writes it."""
        return results.result(self.job(), accepted_of(self, claim_of(self, now), now).entry, now)

    def events(self) -> Iterable[Outgoing]:
        """The events of the turn, as conversation writes them: the message, and four of the answer."""
        chatbots = {self.phone_number_id: self.chatbot}
        now = self.received
        done = plan(facts_of(self, now), Known(ordered_since=ORDERED_SINCE), chatbots, now)
        return [event.record(now) for event in done.events]

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{what} {self.number}")  # noqa: S311  # no secret


def varied(people: People, number: int) -> VariedTurn:
    """Turn `number` of these people."""
    turn = people.turn(number)
    return VariedTurn(turn.number, turn.customer, turn.moment)


def steps_of(turns: list[VariedTurn]) -> list[tuple[str, list[Outgoing]]]:
    """What turns that are under way at the same time write, step by step, and who writes it."""
    every = [turn.records(turn.received) for turn in turns]
    webhooks = [[record for record in records if record.topic == topics.WEBHOOKS.name] for records in every]
    events = [list(turn.events()) for turn in turns]
    steps = [
        ("ingress", [records[0] for records in webhooks]),
        ("conversation", [records[0] for records in events]),
        ("sender's API", [turn.send() for turn in turns]),
        ("sender", [turn.result(turn.received) for turn in turns]),
        ("conversation", [records[1] for records in events]),
    ]
    for nth in range(1, 4):
        steps.append(("ingress", [records[nth] for records in webhooks]))
        steps.append(("conversation", [records[nth + 1] for records in events]))
    return steps


def _digits(chance: random.Random, count: int) -> str:
    return base64.b64encode(chance.randbytes(count)).decode()


def _file(turn: VariedTurn, chance: random.Random, mime: str) -> dict[str, Any]:
    name, digits = chance.randint(10**14, 10**15), _digits(chance, 32)
    link = f"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid={name}&source=webhook&ext={turn.timestamp}"
    return {"mime_type": mime, "sha256": digits, "id": str(name), "url": f"{link}&hash={_digits(chance, 48)}"}


_TYPES: Final = {"button": "interactive"}
_CONTENTS: Final[Mapping[str, Callable[[VariedTurn, random.Random], dict[str, Any]]]] = {
    "image": lambda turn, chance: {"image": {"caption": text(chance, 5), **_file(turn, chance, "image/jpeg")}},
    "audio": lambda turn, chance: {"audio": {**_file(turn, chance, "audio/ogg; codecs=opus"), "voice": True}},
    "button": lambda turn, chance: {
        "context": {"from": f"1555{turn.phone_number_id[-7:]}", "id": turn.wamid_out},
        "interactive": {
            "type": "button_reply",
            "button_reply": {"id": f"choice-{chance.randint(0, 2)}", "title": text(chance, 2)[:20]},
        },
    },
    "reaction": lambda turn, chance: {
        "reaction": {"message_id": turn.wamid_out, "emoji": chance.choice(("👍", "❤️", "😂"))}
    },
    "location": lambda _, chance: {
        "location": {"latitude": round(chance.uniform(47, 55), 6), "longitude": round(chance.uniform(6, 15), 6)}
    },
}
"""The content of each kind but text, in Meta's form."""
