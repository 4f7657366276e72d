"""`python -m graph_emulator` as a process."""

import asyncio
import json
import os
import signal
import sys

import aiohttp
import pytest

HELLO = {"messaging_product": "whatsapp", "to": "4915150000001", "type": "text", "text": {"body": "Hello"}}


async def start(*arguments, **environment):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "graph_emulator",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )


async def address_of(process):
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    assert line.startswith("graph_emulator listening on http://127.0.0.1:")
    return line.split()[-1]


async def send(url):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v25.0/111/messages", json=HELLO, headers={"Authorization": "Bearer fake-token"}) as answer,
    ):
        return answer.status, await answer.json()


async def entries(url):
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_control/ledger") as answer:
        return (await answer.json())["entries"]


@pytest.mark.e2e
async def test_it_serves_until_it_is_told_to_stop_and_remembers(tmp_path):
    plan = tmp_path / "faults.json"
    plan.write_text(json.dumps({"rules": [{"fault": {"kind": "error", "code": 131056}, "times": 1}]}))
    arguments = ("--business", "111:fake-token:222:15550001111", "--ledger", str(tmp_path / "ledger.jsonl"))
    first = await start(*arguments, "--faults", str(plan))
    try:
        url = await address_of(first)
        assert (await send(url))[1]["error"]["code"] == 131056
        wamid = (await send(url))[1]["messages"][0]["id"]
    finally:
        first.send_signal(signal.SIGTERM)
        _, complaints = await asyncio.wait_for(first.communicate(), 20)
    assert (first.returncode, complaints) == (0, b"")
    second = await start(*arguments)
    try:
        assert [entry["wamid"] for entry in await entries(await address_of(second))] == [wamid]
    finally:
        second.kill()
        await second.communicate()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--webhook-url", "http://127.0.0.1:9/"), b"--app-secret"),
        (("--business", "111:token"), b"PHONE_NUMBER_ID:TOKEN:WABA_ID"),
        (("--faults", "/nowhere.json"), b"/nowhere.json"),
        (("--retry-delays-ms", "0,-1"), b"cannot be negative"),
        (("--limits", "throughput,speed"), b"some of throughput, pair, window"),
    ],
)
async def test_it_says_what_is_wrong_with_its_arguments(arguments, complaint):
    process = await start(*arguments, EMULATOR_APP_SECRET="")
    _, complaints = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert complaint in complaints


@pytest.mark.e2e
async def test_it_begins_with_the_limits_and_the_windows_it_is_given(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    hello = {"from": HELLO["to"], "phoneNumberId": "111", "text": "Hi"}
    arguments = ("--business", "111:fake-token:222:15550001111", "--ledger", str(ledger), "--limits", "window,pair")
    for expected, inbound in ((131047, hello), (None, None)):
        process = await start(*arguments)
        try:
            url = await address_of(process)
            _, answer = await send(url)
            assert answer.get("error", {}).get("code") == expected
            if inbound:
                async with aiohttp.ClientSession() as session, session.post(f"{url}/_control/inbound", json=inbound):
                    pass
        finally:
            process.kill()
            await process.communicate()


@pytest.mark.e2e
async def test_it_explains_itself():
    process = await start("--help")
    words, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    for option in (b"--webhook-url", b"--business", b"--ledger", b"--retry-delays-ms", b"--faults", b"--limits"):
        assert option in words
