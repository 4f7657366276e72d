"""What any client can cause is logged with its reason, and no flood of it fills the log."""

import logging

import httpx
import pytest

from common.security.signature import signature_of
from ingress import limited_log
from ingress.limited_log import MALFORMED, NO_SIGNATURE, UNCONFIGURED, WRONG, LimitedLog, why_refused
from ingress.routes import PATH, WebhookRoute

SIGNED = signature_of(b"{}", b"other")


@pytest.mark.parametrize(
    ("signature", "secrets", "reason"),
    [
        (SIGNED, (), UNCONFIGURED),
        (None, (b"",), UNCONFIGURED),
        (None, (b"s",), NO_SIGNATURE),
        (b"", (b"s",), MALFORMED),
        (SIGNED.upper(), (b"s",), MALFORMED),
        (SIGNED[:-1], (b"s",), MALFORMED),
        (SIGNED, (b"s", b"t"), WRONG),
    ],
)
def test_a_refusal_has_a_reason(signature, secrets, reason):
    assert why_refused(signature, secrets) == reason


def test_a_reason_has_a_line_a_minute_and_the_count_of_the_others(caplog):
    clock = [0.0]
    told = LimitedLog("refused", now=lambda: clock[0])
    for second in range(150):
        clock[0] = float(second)
        told.note("wrong")
        if second == 10:
            told.note("missing", example="x")
    lines = [(r.getMessage(), r.suppressed) for r in caplog.records]
    assert lines == [("refused: wrong", 0), ("refused: missing", 0), ("refused: wrong", 59), ("refused: wrong", 59)]
    assert caplog.records[1].example == "x"


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(limited_log, "refused", LimitedLog("a webhook was refused"))
    monkeypatch.setattr(limited_log, "unparsed", LimitedLog("a part was not understood"))


async def post(secrets, body, headers):
    async def publish(_records):
        return None

    route = WebhookRoute(secrets, publish, None)
    transport = httpx.ASGITransport(app=route)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingress") as client:
        return await client.post(PATH, content=body, headers=headers)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("secrets", "reason"), [((), UNCONFIGURED), (("right",), WRONG)])
async def test_a_refused_webhook_is_logged_once_with_its_reason_and_no_secret(caplog, secrets, reason):
    headers = {"x-hub-signature-256": signature_of(b'{"a":1}', b"wrong").decode()}
    for _ in range(20):
        assert (await post(secrets, b'{"a":1}', headers)).status_code == 400
    (line,) = [record for record in caplog.records if record.name == limited_log.__name__]
    assert (line.levelno, line.reason) == (logging.WARNING, reason)
    assert "right" not in caplog.text
    assert headers["x-hub-signature-256"] not in caplog.text


@pytest.mark.usefixtures("quiet")
async def test_a_part_that_is_not_understood_is_logged(caplog):
    body = b'{"entry":[17]}'
    answer = await post(["right"], body, {"x-hub-signature-256": signature_of(body, b"right").decode()})
    assert answer.status_code == 200
    (line,) = [record for record in caplog.records if record.name == limited_log.__name__]
    assert "Expected" in line.example
