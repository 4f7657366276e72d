"""How long replies wait in lively chats: `python -m flood.lively` (or `make lively`).

Many people get several replies at the same time, one every two seconds, through the topic. The emulator applies Meta's
limit per person in three ways: not at all, as a bucket that refills, and as Meta's documentation words it. For each way
the sender runs twice: it learns its pace (the default), or keeps the documented one (`SENDER_PAIR_PACE=strict`).
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer

from common.contracts.ids import journal_id, journal_id_in
from flood.connected import connected
from flood.measurements import Waits
from flood.tenants import SEND
from testbed.client import eventually
from testbed.plan import Choices
from testbed.system import System

CHATBOT: Final = "lively"
NUMBER: Final = "106540352208888"
METAS: Final[Mapping[str, tuple[str, ...]]] = {
    "does not count": (),
    "counts a store of 45": ("--limits", "pair", "--pair-reading", "bucket"),
    "keeps its written rule": ("--limits", "pair", "--pair-reading", "burst"),
}
PACES: Final = ("learned", "strict")


@dataclass(frozen=True, slots=True)
class Chats:
    """The number of people, of replies to each, and the seconds between two replies."""

    people: int
    replies: int
    every: float

    def phone(self, person: int) -> str:
        """The phone number of a person."""
        return f"+4916{person:09d}"


def measure(meta: str, pace: str, chats: Chats, say: Callable[[str], None]) -> tuple[Waits, int]:
    """How long replies took from Kafka until Meta accepted them, and how many calls Meta refused."""
    choices = Choices(
        extra={"sender": {"SENDER_PAIR_PACE": pace}}, emulator_options=METAS[meta], idle=("ai_responder",)
    )
    with System(choices=choices, say=lambda _: None) as system:
        say(f"Meta {meta}, pace {pace}: {chats.people} people, {chats.replies} replies each …")
        return asyncio.run(_talk(system, chats))


async def _talk(system: System, chats: Chats) -> tuple[Waits, int]:
    async with connected(system) as (client, producer):
        await client.onboard(CHATBOT, NUMBER)
        for person in range(chats.people):
            await client.says(chats.phone(person).lstrip("+"), NUMBER, "Hello")
        sent: dict[str, float] = {}
        await asyncio.gather(*(_chat(producer, chats, person, sent) for person in range(chats.people)))

        async def all_there() -> dict[str, float] | None:
            entries = await client.received(phoneNumberId=NUMBER)
            there = {journal_id_in(entry["callbackData"]): float(entry["atMs"]) for entry in entries}
            return there if sent.keys() <= there.keys() else None

        arrived = await eventually("all replies arrive", all_there, seconds=600, pause=0.5)
        told = await client.control("GET", "limits", phoneNumberId=NUMBER)
        return Waits.of([arrived[key] - at for key, at in sent.items()]), int(told["refused"]["pair"])


async def _chat(producer: AIOKafkaProducer, chats: Chats, person: int, sent: dict[str, float]) -> None:
    began = time.monotonic() + chats.every * person / chats.people
    for reply in range(chats.replies):
        await asyncio.sleep(max(0.0, began + reply * chats.every - time.monotonic()))
        message_id = f"reply-{person}-{reply}"
        request = {"chatbotId": CHATBOT, "to": chats.phone(person), "messageId": message_id, "message": f"#{reply}"}
        sent[journal_id(CHATBOT, message_id)] = time.time() * 1000
        await producer.send_and_wait(SEND, json.dumps(request).encode(), key=CHATBOT.encode())


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flood.lively", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--people", type=int, default=20, help="number of people who are answered at once (default: %(default)s)")
    add("--replies", type=int, default=8, help="replies to each person (default: %(default)s)")
    add("--every", type=float, default=2.0, help="seconds between two replies (default: %(default)s)")
    return parser.parse_args(argv)


def main() -> None:
    """Run and print."""
    given = arguments()
    logging.basicConfig(level=logging.CRITICAL)
    chats = Chats(given.people, given.replies, given.every)
    print(f"{'Meta':<26}{'pace':<10}{'replies':>8}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'refused':>9}")
    for meta in METAS:
        for pace in PACES:
            waits, refused = measure(meta, pace, chats, lambda line: print(line, file=sys.stderr, flush=True))
            figures = f"{waits.count:>8}{waits.p50:>9.0f}{waits.p99:>9.0f}{waits.longest:>9.0f}{refused:>9}"
            print(f"{meta:<26}{pace:<10}{figures}", flush=True)


if __name__ == "__main__":
    main()
