"""The curl lines that the demo prints, pasted into a shell as they stand."""

import asyncio
import json
import shutil
import subprocess

import pytest

from demo.client import eventually
from demo.guide import addresses, curl_lines
from demo.story import CHATBOT, NUMBER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def pasted(line):
    """What a shell prints for one of the lines."""
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
async def lines(client, system):
    """The lines by their titles, for the account that the demo makes."""
    await client.onboard(CHATBOT, NUMBER)
    blocks = curl_lines(system.urls, system.secret, client).split("\n\n")
    return dict(block.removeprefix("# ").split("\n", 1) for block in blocks)


@pytest.mark.skipif(shutil.which("curl") is None, reason="pasting curl lines needs curl")
@pytest.mark.feature("verification")
@pytest.mark.feature("incoming")
@pytest.mark.feature("outgoing")
@pytest.mark.feature("accounts")
async def test_every_curl_line_works_as_printed(lines, client):
    answers = {title: await asyncio.to_thread(pasted, line) for title, line in lines.items()}
    challenge, *rest = answers.values()
    assert challenge == "CHALLENGE"
    assert [json.loads(answer)["success"] for answer in rest] == [True] * 6

    async def both():
        entries = await client.received(phoneNumberId=NUMBER)
        texts = {entry["body"]["text"]["body"] for entry in entries}
        return {"You wrote: Hello from curl", "Hello!"} <= texts

    await eventually("the message from curl is answered, and the send arrives", both)


async def test_each_printed_api_document_opens(client, system):
    links = [word for word in addresses(system.urls).split() if "/docs/" in word]
    assert len(links) == 4
    for link in links:
        assert await client.status_of("GET", link.split("/whatsapp-cloud", 1)[1]) == 200
