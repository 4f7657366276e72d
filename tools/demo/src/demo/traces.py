"""One exchange of the demo as a waterfall, from the traces in the receiver."""

from typing import Any, Final

from aiohttp import ClientSession

from testbed.client import eventually

LAST: Final = "send message-status"
STATUSES: Final = 4
"""accepted, sent, delivered, read"""


async def drawn(session: ClientSession, url: str) -> str:
    """One complete exchange as text, from the webhook to the last status. Raises `StepFailed`."""
    found: list[dict[str, Any]] = []

    async def whole() -> bool:
        async with session.get(f"{url}/traces") as answer:
            traces = (await answer.json())["traces"]
        for trace in traces:
            async with session.get(f"{url}/traces/{trace['traceId']}") as answer:
                names = [span["name"] for span in (await answer.json())["spans"]]
            if names.count(LAST) >= STATUSES:
                found.append(trace)
                return True
        return False

    await eventually("a complete trace has arrived", whole)
    async with session.get(f"{url}/traces/{found[0]['traceId']}?as=text") as answer:
        return f"\none of {url}/traces\ntrace {found[0]['traceId']}, {found[0]['spans']} spans\n{await answer.text()}"
