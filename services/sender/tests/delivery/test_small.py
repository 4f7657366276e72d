"""Settings, reports of refused tokens, and what a status tells."""

import asyncio
import base64
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pydantic import SecretStr, ValidationError

from common.contracts.messages import StatusData
from common.errors import Unavailable
from common.http.clients.accounts import Credentials
from sender.cas_token import new_token
from sender.delivery.doubt.reconcile import _by_send, _statuses, statuses_of
from sender.delivery.token_rejections import RejectionReports
from sender.delivery.transitions import new_entry
from sender.settings import Settings

CALLBACK_KEYS = {"test": base64.b64encode(b"c" * 32).decode()}


def test_the_window_must_outlast_a_call():
    with pytest.raises(ValidationError, match="SENDER_IN_DOUBT_SECONDS must be above 15"):
        Settings(accounts_internal_key="x", callback_keys=CALLBACK_KEYS, sender_in_doubt_seconds=15)
    assert (
        Settings(
            accounts_internal_key="x", callback_keys=CALLBACK_KEYS, sender_in_doubt_seconds=15.1
        ).graph_total_seconds
        == 10
    )


@pytest.mark.parametrize("keys", [{}, {"a": "c2hvcnQ="}, {"a": "no base64"}])
def test_a_sender_without_keys_for_its_callback_data_does_not_start(keys):
    with pytest.raises(ValidationError, match="CALLBACK_KEYS"):
        Settings(accounts_internal_key="x", callback_keys=keys)


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

        self.dropped = []

    def drop(self, chatbot_id):
        self.dropped.append(chatbot_id)

    async def report_rejected(self, chatbot_id, *, code, revision):
        self._tell(chatbot_id, code, revision)

    async def report_accepted(self, chatbot_id, *, revision):
        self._tell(chatbot_id, "works", revision)

    def _tell(self, *what):
        self.told.append(what)
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


async def test_a_token_that_works_again_is_reported_once_and_may_be_refused_again():
    client = Client()
    reports = RejectionReports(client)
    credentials = Credentials("15", SecretStr("EAAone"), 1, rejected=True)
    reports.report("b", credentials, 190)
    await done(reports)
    assert client.dropped == ["b"]  # what is fetched next shows the mark
    for _ in range(3):
        reports.works("b", credentials)
    await done(reports)
    reports.report("b", credentials, 190)
    await done(reports)
    assert client.told == [("b", 190, 1), ("b", "works", 1), ("b", 190, 1)]
    assert client.dropped == ["b", "b", "b"]


async def test_a_token_whose_success_could_not_be_reported_is_reported_with_the_next():
    client = Client(failures=1)
    reports = RejectionReports(client)
    for _ in range(2):
        reports.works("b", Credentials("15", SecretStr("EAAone"), 1, rejected=True))
        await done(reports)
    assert (client.told, client.dropped) == ([("b", "works", 1)] * 2, ["b"])


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
    seen = {journal: [status.wamid for status in statuses] for journal, statuses in _by_send(_statuses(batch)).items()}
    assert seen == {"j1": ["w1", "w2"]}


def entry_from(number):
    return new_entry("j1", "bot", "m1", "+491510000001", datetime(2026, 11, 1, tzinfo=UTC), number)


def status_on(number, chatbot, wamid="w1"):
    return StatusData(
        status="sent", delivery_status="sent", journal_id="j1", wamid=wamid, phone_number_id=number, chatbot_id=chatbot
    )


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (status_on("1065", "bot"), True),
        (status_on("1065", None), True),  # the account is not known yet where the status was read
        (status_on("9999", "bot"), False),
        (status_on("9999", "mallory"), False),
        (status_on("1065", "mallory"), False),
        (status_on(None, "bot"), False),
    ],
)
def test_a_status_settles_a_send_of_its_own_number_and_account_alone(status, counts):
    assert (statuses_of(entry_from("1065"), [status]) == [status]) is counts


def test_a_send_that_never_left_from_a_number_is_settled_by_no_status():
    for number in ("1065", None):
        assert statuses_of(entry_from(None), [status_on(number, "bot")]) == []


def test_a_status_of_another_hides_none_of_ours_that_comes_after_it():
    ours = status_on("1065", "bot", "w2")
    assert statuses_of(entry_from("1065"), [status_on("9999", "mallory"), ours]) == [ours]


def test_tokens_are_new_each_time_for_every_caller():
    with ThreadPoolExecutor(4) as pool:
        drawn = [
            token for tokens in pool.map(lambda _: [new_token() for _ in range(2_000)], range(4)) for token in tokens
        ]
    assert len(set(drawn)) == 8_000


def test_processes_have_no_token_in_common():
    program = "from sender.cas_token import new_token; print(*(new_token() for _ in range(100)))"
    printed = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in "ab"
    ]
    drawn = [token for process in printed for token in process.stdout.split()] + [new_token() for _ in range(100)]
    assert len(set(drawn)) == len(drawn) == 300
