"""Settings, reports of refused tokens, and what a status tells."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from pydantic import SecretStr, ValidationError

from common.errors import Unavailable
from common.http.credentials import Credentials
from sender.reports import RejectionReports
from sender.settings import Settings
from sender.settle import _seen
from sender.tokens import new_token


def test_the_window_must_outlast_a_call():
    with pytest.raises(ValidationError, match="SENDER_IN_DOUBT_SECONDS must be above 15"):
        Settings(accounts_internal_key="x", sender_in_doubt_seconds=15)
    assert Settings(accounts_internal_key="x", sender_in_doubt_seconds=15.1).graph_total_seconds == 10


def test_a_sender_without_a_key_for_accounts_does_not_start():
    with pytest.raises(ValidationError, match="accounts_internal_key"):
        Settings()
    with pytest.raises(ValidationError, match="accounts_internal_key"):
        Settings(accounts_internal_key="")


class Client:
    """Stands for accounts; away while `failures` last."""

    def __init__(self, failures=0):
        self.told = []
        self.failures = failures

    async def report_rejected(self, chatbot_id, *, code, revision):
        self.told.append((chatbot_id, code, revision))
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")


async def done(reports):
    await asyncio.gather(*reports._running)


async def test_a_refused_token_is_reported_once_and_another_again():
    client = Client()
    reports = RejectionReports(client)
    first, second = Credentials("15", SecretStr("EAAone"), 1), Credentials("15", SecretStr("EAAtwo"), 3)
    for _ in range(3):
        reports.report("b", first, 190)
    reports.report("b", second, 190)
    await done(reports)
    assert client.told == [("b", 190, 1), ("b", 190, 3)]


async def test_a_report_that_failed_is_made_again():
    client = Client(failures=1)
    reports = RejectionReports(client)
    credentials = Credentials("15", SecretStr("EAAone"), 1)
    for _ in range(3):
        reports.report("b", credentials, 190)
        await done(reports)
    assert len(client.told) == 2
    await reports.close()


def record(value):
    return SimpleNamespace(value=value, offset=1)


def test_only_statuses_of_ours_with_a_wamid_say_something():
    head = b'{"id":"1","type":"message.status","version":1,"occurredAt":"2026-11-22T12:00:00Z",'
    head += b'"recordedAt":"2026-11-22T12:00:00Z","correlationId":"c","data":{"status":"sent","deliveryStatus":"sent"'
    batch = [
        record(head + b',"journalId":"j1","wamid":"w1"}}'),
        record(head + b',"journalId":"j1","wamid":"w2"}}'),
        record(head + b',"journalId":"j2"}}'),
        record(head + b',"wamid":"w3"}}'),
        record(b"junk"),
        record(None),
    ]
    assert {journal: status.wamid for journal, status in _seen(batch).items()} == {"j1": "w1"}


def test_tokens_are_new_each_time_whoever_asks():
    with ThreadPoolExecutor(4) as pool:
        drawn = [
            token for tokens in pool.map(lambda _: [new_token() for _ in range(2_000)], range(4)) for token in tokens
        ]
    assert len(set(drawn)) == 8_000


def test_processes_have_no_token_in_common():
    program = "from sender.tokens import new_token; print(*(new_token() for _ in range(100)))"
    printed = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in "ab"
    ]
    drawn = [token for process in printed for token in process.stdout.split()] + [new_token() for _ in range(100)]
    assert len(set(drawn)) == len(drawn) == 300
