"""The demo's conversation on a system that runs elsewhere: `cluster_story.py GATEWAY EMULATOR`. Run by cluster.sh.

Exits 0 only if each message got exactly one reply, in order, and each reply is `read` in our store.
"""

import asyncio
import sys

from aiohttp import ClientSession
from rich.console import Console

from demo.client import Client, DemoFailed
from demo.onboard import onboard
from demo.plan import Credentials
from demo.story import Story

KEY = "wk_fake_demo_key_of_the_compose_file"  # whose digest the dev overlay has


async def play(urls: dict[str, str]) -> None:
    """Onboard, talk, check. Raises `DemoFailed`."""
    async with ClientSession() as session:
        client = Client(session, urls, Credentials(api_key=KEY))
        await client.control("POST", "reset")  # what was said in an earlier run
        print(await onboard(urls, KEY))
        story = Story(client, Console())
        await story.play()
        await story.check()
    print("each message got exactly one reply, in order, and each reply is read")


if __name__ == "__main__":
    try:
        asyncio.run(play(dict(zip(("gateway", "emulator"), sys.argv[1:3], strict=True))))
    except DemoFailed as failure:
        sys.exit(f"failed: {failure}")
