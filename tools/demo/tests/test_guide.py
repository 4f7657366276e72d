"""The curl lines that the demo prints, pasted into a shell as they stand."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import uuid
from html import escape, unescape
from pathlib import Path

import pytest
from aiohttp import ClientSession

from demo.guide import addresses, curl_lines
from demo.home import home_of
from demo.story import CHATBOT, LINES, NUMBER
from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import System

README = Path(__file__).parents[3] / "README.md"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def system():
    """The demo's system, page included, with a Kafka of its own."""
    database = {"MONGODB_DATABASE": f"guide_{uuid.uuid4().hex[:12]}"}
    extra = dict.fromkeys(("sender", "conversation", "accounts"), database)
    with System(choices=Choices(extra=extra), home=home_of) as system:
        yield system


@pytest.fixture
async def client(system):
    async with ClientSession() as session:
        yield Client(session, system.urls, system.secret)


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


def shown(system):
    return addresses(
        system.urls, system.secret, kafka=system.stack.kafka_bootstrap_servers, mongodb=system.stack.mongodb_uri
    )


async def opened(url):
    async with ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        return await answer.text()


async def test_each_printed_page_opens_and_the_first_is_the_phone(system):
    links = [word for word in shown(system).split() if word.startswith("http://")]
    pages = [await opened(link) for link in links]
    assert len(pages) == 6
    assert "Emulated phone" in pages[0]
    assert links[0].endswith(f"/?phone={LINES[0][0]}&number={NUMBER}")


async def test_the_landing_page_has_every_address(system):
    page = await opened(f"{system.urls['gateway']}/")
    for text in (system.stack.kafka_bootstrap_servers, system.stack.mongodb_uri, system.secret.api_key):
        assert escape(text) in page
        assert text in shown(system)
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 5
    for link in links:
        await opened(unescape(link))


def python_lines(system):
    """The README's programs, for this system's Kafka."""
    found = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [code.replace("localhost:9092", system.stack.kafka_bootstrap_servers) for code in found]


@pytest.mark.feature("incoming")
async def test_the_bot_of_the_readme_answers_as_printed(system, client, lines):
    _, code = python_lines(system)
    bot = await asyncio.create_subprocess_exec(sys.executable, "-c", code.replace("You wrote", "My bot has"))
    phone, asked = "4915100000778", iter(range(100))

    async def answered():
        await client.says(phone, NUMBER, f"question {next(asked)}", "Grace")  # its group begins at the end of the topic
        texts = [entry["body"].get("text", {}).get("body", "") for entry in await client.received(phone=phone)]
        return any(text.startswith("My bot has: question") for text in texts)

    try:
        await eventually("the bot answers", answered, pause=0.5)
        assert bot.returncode is None
    finally:
        bot.terminate()
        await bot.wait()


@pytest.mark.feature("outgoing")
async def test_the_python_lines_of_the_readme_work_as_printed(system, client, lines):
    asked = json.dumps({"from": "491510000001", "phoneNumberId": NUMBER, "text": "a window for the README"})
    await client.control("POST", "inbound", json.loads(asked))
    code = python_lines(system)[0].replace("order-17", f"order-{uuid.uuid4()}")
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr

    async def arrived():
        entries = await client.received(phone="491510000001")
        return any(entry["body"]["text"]["body"] == "Hello" for entry in entries if entry["type"] == "text")

    await eventually("the message of the README arrives", arrived)
