"""The bare steps of a send: each has a claim before its call, and its outcome after the answer."""

import asyncio

from baselines.bare_send import Calls, _record, _send
from outbound_http.wire import answer, message_end


class Journal:
    """Keeps what it is told to write."""

    def __init__(self):
        self.claims, self.outcomes = [], []

    async def bulk_write(self, writes, ordered):
        assert not ordered
        for write in writes:
            if hasattr(write, "_doc") and hasattr(write, "_filter"):
                self.outcomes.append(write._filter["_id"])
            else:
                self.claims.append(write._doc["_id"])


async def test_each_send_is_claimed_called_and_recorded():
    journal, called = Journal(), []

    async def meta(reader, writer):
        seen = b""
        while more := await reader.read(65_536):
            seen += more
            if message_end(seen):
                called.append(len(journal.claims))
                seen = b""
                writer.write(answer(b'{"messages":[{"id":"wamid.1"}]}', {}))
        writer.close()

    server = await asyncio.start_server(meta, "127.0.0.1", 0)
    calls = Calls(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server, asyncio.timeout(20):
        steps = [asyncio.create_task(step) for step in (_send(journal, calls, 200.0), _record(journal, calls))]
        while len(journal.outcomes) < 40:
            await asyncio.sleep(0.01)
        for step in steps:
            step.cancel()
        await asyncio.gather(*steps, return_exceptions=True)
        calls.close()
    assert len(journal.claims) == len(set(journal.claims))
    assert len(journal.outcomes) == len(set(journal.outcomes))
    assert set(journal.outcomes) <= set(journal.claims)
    assert all(claims > number for number, claims in enumerate(called))  # claimed before it was called
