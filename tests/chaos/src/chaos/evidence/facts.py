"""The facts of a run, collected from its witnesses when all work has ended."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.evidence import witness
from chaos.evidence.verdict import Asked, Direct, DirectReceived, Event, Facts, Reply
from chaos.traffic import Sent
from common.contracts.ids import journal_id
from hostile.topics import read_topic
from testbed.client import Client
from testbed.system import System

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """The sources, and the run's own records: its chatbots and numbers, its sends, and secrets that no log may have."""

    system: System
    client: Client
    database: str
    chatbots: Collection[str]
    numbers: Collection[str]
    directs: Sequence[Sent]
    secrets: Sequence[str]


async def collect(scene: Scene) -> tuple[Facts, Counter[str]]:
    """The facts (except unready processes), and how each doubt ended."""
    kafka = scene.system.stack.kafka_bootstrap_servers
    received = [entry for entry in await scene.client.received() if entry["phoneNumberId"] in scene.numbers]
    events = await read_topic(kafka, witness.INCOMING)
    requested = await witness.requested_sends(kafka, scene.chatbots)
    ends, doubts = await witness.ended_sends(kafka, scene.chatbots)
    of_journal = {journal_id(s.chatbot_id, s.message_id): s.message_id for s in scene.directs}
    watched = {name: text for name, text in scene.system.all_logs().items() if not name.startswith("emulator")}
    facts = Facts(
        asked=_asked(await scene.client.sent()),
        events=[_event(place, event) for place, event in events if event is not None and _is_ours(event, scene)],
        replies=[_reply(entry) for entry in received if "context" in entry["body"]],
        directs=[Direct(s.message_id, s.phone, s.order) for s in scene.directs],
        directs_received=[
            DirectReceived(of_journal[journal], entry["phone"], entry["atMs"])
            for entry in received
            if (journal := _journal(entry)) in of_journal
        ],
        requested=requested,
        ended=ends,
        statuses=await witness.final_statuses(scene.system.stack.mongodb_uri, scene.database, requested),
        secrets_in_logs=witness.secrets_in(watched, scene.secrets),
        halts=witness.halts_in(watched),
    )
    return facts, Counter(doubts.values())


def _is_ours(event: Json, scene: Scene) -> bool:
    return event["data"].get("phoneNumberId") in scene.numbers


def _asked(sent: list[Json]) -> list[Asked]:
    """The messages that we accepted from Meta, per customer and in order."""
    taken = [entry for entry in sent if entry["webhook"]["outcome"] == "delivered"]
    taken.sort(key=lambda entry: entry["webhook"]["settledOrder"])
    return [Asked(entry["phone"], entry["wamid"], order, entry["atMs"]) for order, entry in enumerate(taken)]


def _event(place: str, event: Json) -> Event:
    data = event["data"]
    return Event(data["wamid"], event["id"], str(data["contact"].get("waId")), place)


def _reply(entry: Json) -> Reply:
    return Reply(entry["phone"], entry["body"]["context"]["message_id"], entry["wamid"], entry["atMs"], _journal(entry))


def _journal(entry: Json) -> str:
    return str(entry.get("callbackData") or "").removeprefix("wce:").partition(".")[0]
