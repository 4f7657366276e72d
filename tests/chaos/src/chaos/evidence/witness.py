"""What really happened, read from Kafka (read_committed), MongoDB, the emulator and the logs, without our services."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from pymongo import AsyncMongoClient

from common.contracts.ids import journal_id
from hostile.topics import Json, json_object, read_topic

INCOMING: Final = "incoming-messages"
SEND: Final = "whatsapp-cloud-send"
RESULTS: Final = "whatsapp-cloud-send-results"
LETTERS: Final = ("whatsapp-cloud-send-dlq", "whatsapp-cloud-webhooks-dlq")
_DOUBT: Final = "send.in_doubt"
_ENDS: Final = frozenset({"send.accepted", "send.failed", "send.expired", "send.cancelled"})


async def requested_sends(kafka: str, chatbots: Collection[str]) -> set[str]:
    """The journal id of every send that was requested for one of these chatbots. Other chatbots are ignored."""
    bodies = [body for _, body in await read_topic(kafka, SEND) if body is not None]
    ours = [body for body in bodies if "messageId" in body and body.get("chatbotId") in chatbots]
    return {journal_id(body["chatbotId"], body["messageId"]) for body in ours}


async def ended_sends(kafka: str, chatbots: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(how each send of these chatbots ended, by journal id; for each that was ever in doubt, its end)."""
    ends: dict[str, str] = {}
    attempts: dict[str, int] = {}
    doubts: dict[str, int] = {}
    for _, event in await read_topic(kafka, RESULTS):
        if event is None or event["data"].get("chatbotId") not in chatbots:
            continue
        journal, kind, tried = event["data"]["journalId"], event["type"], event["data"]["attempts"]
        if kind in _ENDS:
            ends.setdefault(journal, kind)
            attempts[journal] = tried
        elif kind == _DOUBT:
            doubts[journal] = max(tried, doubts.get(journal, 0))
    return ends, {
        journal: _settled(ends.get(journal), attempts.get(journal, 0) > doubts[journal]) for journal in doubts
    }


def _settled(end: str | None, again: bool) -> str:
    if end is None:
        return "open"
    return f"{end.removeprefix('send.')}, {'sent again' if again else 'settled by a status'}"


async def final_statuses(mongodb: str, database: str, journals: Iterable[str]) -> dict[str, str]:
    """`deliveryStatus` in our store of each outgoing message, by journal id."""
    client: AsyncMongoClient[Json] = AsyncMongoClient(mongodb)
    try:
        query = {"_id": {"$in": list(journals)}}
        cursor = client[database]["messages"].find(query, {"deliveryStatus": 1})
        return {document["_id"]: document.get("deliveryStatus", "") async for document in cursor}
    finally:
        await client.close()


def secrets_in(logs: Mapping[str, str], secrets: Iterable[str]) -> list[str]:
    """Which process logged which secret or text, by name of the process and the first characters of the secret."""
    return [f"{name}: {secret[:6]}…" for name, text in logs.items() for secret in secrets if secret and secret in text]


def halts_in(logs: Mapping[str, str]) -> list[str]:
    """Each time a consumer halted, by the name of its process: the first words of what it logged, over all restarts."""
    halted = [(name, line) for name, text in logs.items() for line in text.splitlines() if '"level":' in line]
    return [f"{name}: {line[:200]}" for name, line in halted if _is_halt(line)]


def _is_halt(line: str) -> bool:
    told = json_object(line.encode()) or {}
    return told.get("level") == "critical" and str(told.get("message")).startswith("halted")
