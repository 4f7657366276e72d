"""`python -m demo.onboard`: makes the demo's number at the emulator and its account with us; harmless to repeat.

For the demo in containers, which has addresses of its own: GATEWAY_URL, EMULATOR_URL and DEMO_API_KEY say which.
"""

import asyncio
import os
import sys

from aiohttp import ClientError, ClientSession

from demo.client import Client, DemoFailed, eventually
from demo.plan import Credentials
from demo.story import CHATBOT, NUMBER


async def onboard(urls: dict[str, str], key: str) -> str:
    """What accounts says. Raises `DemoFailed`, also when nobody answers within 30 s."""
    async with ClientSession() as session:
        client = Client(session, urls, Credentials(api_key=key))

        async def done() -> str | None:
            try:
                return str((await client.onboard(CHATBOT, NUMBER))["message"])
            except ClientError:  # somebody is not there yet
                return None

        return str(await eventually("the account is made", done, pause=1.0))


def main() -> int:
    """The exit code: 0 when the account is there."""
    urls = {
        "gateway": os.environ.get("GATEWAY_URL", "http://localhost:3000"),
        "emulator": os.environ.get("EMULATOR_URL", "http://localhost:8080"),
    }
    try:
        print(f"{CHATBOT}, number {NUMBER}: {asyncio.run(onboard(urls, os.environ.get('DEMO_API_KEY', '')))}")
    except DemoFailed as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
