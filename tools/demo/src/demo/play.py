"""`python -m demo.play`: plays the demo's conversation on a running system, for example that of the compose file.

Set GATEWAY_URL, EMULATOR_URL and DEMO_API_KEY. It creates the demo's number at the emulator and the account, plays the
conversation, and checks that it went well. It may be repeated.
"""

import argparse
import asyncio
import os
import statistics
import sys

from aiohttp import ClientError, ClientSession
from rich.console import Console

from demo.story import CHATBOT, NUMBER, Story
from testbed.client import Client, StepFailed, eventually
from testbed.plan import Credentials

console = Console(highlight=False)


async def play(urls: dict[str, str], key: str) -> None:
    """Onboard, play, check. Raises `StepFailed`, also without any answer within 30 s."""
    async with ClientSession() as session:
        client = Client(session, urls, Credentials(api_key=key))

        async def onboarded() -> str | None:
            try:
                return str((await client.onboard(CHATBOT, NUMBER))["message"])
            except ClientError:  # a process is not ready yet
                return None

        console.print(f"account: {await eventually('the account is created', onboarded, pause=1.0)}: {CHATBOT}\n")
        story = Story(client, console)
        await story.play()
        await story.check()
        if story.latencies:
            console.print(f"\nwebhook → reply on the phone, median {statistics.median(story.latencies):.0f} ms")
        console.print("every message got exactly one reply, in order, and every reply was read")


def main() -> int:
    """Play; the exit code, 0 when all went well."""
    argparse.ArgumentParser(prog="python -m demo.play", description=__doc__).parse_args()
    urls = {
        "gateway": os.environ.get("GATEWAY_URL", "http://localhost:3000"),
        "emulator": os.environ.get("EMULATOR_URL", "http://localhost:8080"),
    }
    try:
        asyncio.run(play(urls, os.environ.get("DEMO_API_KEY", "")))
    except (StepFailed, ClientError) as failure:
        console.print(f"failed: {failure}", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
