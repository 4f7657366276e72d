"""The conversation that the demo plays and prints, and the check that it went well."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError
from rich.console import Console
from rich.markup import escape

from testbed.client import Client, Json, StepFailed, eventually

NUMBER: Final = "106540352242922"
CHATBOT: Final = "demo-bot"
TICKS: Final = {"sent": "✓", "delivered": "✓✓", "read": "[cyan]✓✓[/cyan]", "failed": "[red]✗[/red]"}
LINES: Final = (
    ("491510000001", "Ada", ("Hello!", "What are your opening hours?", "Thank you, see you tomorrow 👋")),
    ("4915100000022", "Grace", ("hi", "What is the price of the blue one?")),
    ("33612345678", "Émile", ("Bonjour, ça va ?", "Je voudrais parler à un human", "À bientôt")),
)
_SETTLED_SECONDS: Final = 30.0


@dataclass
class Story:
    """Plays LINES through the emulator; `latencies` are ms from a webhook's first POST to the reply on the phone."""

    client: Client
    console: Console
    latencies: list[float] = field(default_factory=list)
    _before: Counter[tuple[str, str]] = field(default_factory=Counter)
    _names: dict[str, str] = field(default_factory=lambda: {phone: name for phone, name, _ in LINES})
    _shown: set[tuple[str, str]] = field(default_factory=set)
    _asked_at: dict[str, float] = field(default_factory=dict)

    async def play(self) -> None:
        """Every customer writes, waits for the answer, and writes again. Raises `StepFailed`.

        Messages that the phones sent or received before are ignored.
        """
        await self._pass_over()
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as group:
                for phone, name, texts in LINES:
                    group.create_task(self._customer(phone, name, texts))
            await eventually("all replies are read", self._all_read, seconds=_SETTLED_SECONDS)
        except* (StepFailed, ClientError) as failures:
            raise failures.exceptions[0] from None
        finally:
            await self._show()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def check(self) -> None:
        """Each message got exactly one reply, in order, and each reply is `read` in our store too.

        Asks the emulator what the phones received. Raises `StepFailed` saying what is wrong.
        """
        await eventually("Meta is idle", self._idle)
        for phone, name, texts in LINES:
            asked = [entry["wamid"] for entry in await self._sent(phone)]
            answers = await self._received(phone)
            answered = [entry["body"].get("context", {}).get("message_id") for entry in answers]
            if len(asked) != len(texts) or answered != asked:
                raise StepFailed(f"{name} wrote {len(asked)} messages and got answers to {answered}, in this order")
            for entry in answers:
                await eventually(f"a reply to {name} is `read` in our store", lambda entry=entry: self._is_read(entry))

    async def _customer(self, phone: str, name: str, texts: tuple[str, ...]) -> None:
        for number, text in enumerate(texts, start=1):
            await self.client.says(phone, NUMBER, text, name)
            await eventually(
                f"{name} gets answer {number}", lambda n=number: self._answers(phone, n), seconds=_SETTLED_SECONDS
            )

    async def _answers(self, phone: str, count: int) -> bool:
        return len(await self._received(phone)) >= count

    async def _pass_over(self) -> None:
        for entry in await self.client.sent():
            self._before["sent", entry["phone"]] += 1
            self._shown.add((entry["wamid"], "said"))
        for entry in await self.client.received():
            self._before["received", entry["phone"]] += 1
            self._shown.update((entry["wamid"], what) for what in ("answered", *_settled(entry)))

    async def _sent(self, phone: str) -> list[Json]:
        return (await self.client.sent(phone=phone))[self._before["sent", phone] :]

    async def _received(self, phone: str) -> list[Json]:
        return (await self.client.received(phone=phone))[self._before["received", phone] :]

    async def _is_read(self, entry: Json) -> bool:
        message = await self.client.message(entry)
        return message is not None and message.get("deliveryStatus") == "read"

    async def _all_read(self) -> bool:
        return all("read" in _settled(entry) for entry in await self.client.received())

    async def _idle(self) -> bool:
        return bool((await self.client.control("GET", "idle"))["idle"])

    async def _watch(self) -> None:
        while True:
            await self._show()
            await asyncio.sleep(0.1)

    async def _show(self) -> None:
        """Print what is new: messages of customers, answers, ticks."""
        news: list[tuple[int, str]] = []
        for entry in await self.client.sent():
            if self._is_new(entry["wamid"], "said"):
                self._asked_at[entry["wamid"]] = entry["atMs"]
                text = entry["message"].get("text", {}).get("body", entry["message"]["type"])
                news.append((entry["seq"], f"[bold]{self._name(entry)}[/bold] → {escape(text)}"))
        answers = [e for e in await self.client.received() if self._is_new(e["wamid"], "answered")]
        news.extend((entry["seq"], self._answer_line(entry)) for entry in answers)
        for _, line in sorted(news):
            self.console.print(f"{time.strftime('%H:%M:%S')}  {line}", soft_wrap=True)
        await self._show_ticks()

    async def _show_ticks(self) -> None:
        for entry in await self.client.received():
            for status in _settled(entry):
                if self._is_new(entry["wamid"], status):
                    tick = TICKS.get(status, "")
                    line = f"          {tick} {status}: {self._short(entry)} ({self._name(entry)})"
                    self.console.print(line, soft_wrap=True)

    def _answer_line(self, entry: Json) -> str:
        asked = self._asked_at.get(entry["body"].get("context", {}).get("message_id", ""))
        took = ""
        if asked is not None:
            self.latencies.append(entry["atMs"] - asked)
            took = f"  [dim]{entry['atMs'] - asked:.0f} ms after the webhook[/dim]"
        return f"[bold]{self._name(entry)}[/bold] ← [green]{self._short(entry)}[/green]{took}"

    def _name(self, entry: Json) -> str:
        return self._names.get(entry["phone"], str(entry["phone"]))

    @staticmethod
    def _short(entry: Json) -> str:
        words = str(entry["body"].get("text", {}).get("body", entry["type"]))
        return str(escape(words[:70]))

    def _is_new(self, wamid: str, what: str) -> bool:
        seen = (wamid, what) in self._shown
        self._shown.add((wamid, what))
        return not seen


def _settled(entry: Json) -> list[Any]:
    """The names of the statuses that our webhook has answered with 200."""
    return [status["name"] for status in entry["statuses"] if status["outcome"] == "delivered"]
