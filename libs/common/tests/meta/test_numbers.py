"""Asking Meta about a number."""

import httpx
import pytest

from common.errors import Unavailable
from common.meta.client import GraphSettings
from common.meta.numbers import NumberFacts, NumbersClient, facts_of

ANSWER = (
    b'{"display_phone_number": "+49 151 000", "throughput": {"level": "HIGH"}, "is_on_biz_app": false,'
    b' "quality_rating": "GREEN", "whatsapp_business_manager_messaging_limit": "TIER_10K", "id": "1"}'
)


def client_of(handle):
    return NumbersClient(GraphSettings(graph_base_url="http://meta.test"), transport=httpx.MockTransport(handle))


def test_an_answer_is_read():
    assert facts_of(ANSWER) == NumberFacts("+49 151 000", "HIGH", quality_rating="GREEN", messaging_limit="TIER_10K")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_answer_says_nothing(body):
    assert facts_of(body) is None


@pytest.mark.parametrize(
    "body", [b"{}", b'{"throughput": null}', b'{"throughput": {"level": {}}, "quality_rating": [], "is_on_biz_app": 1}']
)
def test_of_unknown_shape_is_only_what_is_left_out(body):
    assert facts_of(body) == NumberFacts()


@pytest.mark.parametrize(
    ("facts", "default", "rate"),
    [
        (NumberFacts(), 80, 80),
        (NumberFacts(level="STANDARD"), 80, 80),
        (NumberFacts(level="NOT_APPLICABLE"), 50, 50),
        (NumberFacts(level="HIGH"), 80, 1_000),
        (NumberFacts(level="HIGH"), 2_000, 2_000),
        (NumberFacts(level="HIGH", on_business_app=True), 80, 20),
        (NumberFacts(on_business_app=True), 10, 10),
    ],
)
def test_the_rate_is_what_meta_tells_or_the_default(facts, default, rate):
    assert facts.rate(default) == rate


async def test_a_number_is_asked_for_with_its_token():
    def handle(request):
        assert request.url.path == "/v25.0/12345"
        assert "throughput" in request.url.params["fields"].split(",")
        assert request.headers["authorization"] == "Bearer EAAfake"
        return httpx.Response(200, content=ANSWER)

    client = client_of(handle)
    assert await client.ask("12345", "EAAfake") == facts_of(ANSWER)
    await client.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_is_an_answer(status):
    client = client_of(lambda _: httpx.Response(status, json={"error": {"code": 100}}))
    assert await client.ask("12345", "EAAfake") is None
    await client.close()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_passing_failure_is_none(status):
    client = client_of(lambda _: httpx.Response(status))
    with pytest.raises(Unavailable):
        await client.ask("12345", "EAAfake")
    await client.close()


async def test_a_broken_connection_is_a_passing_failure():
    def handle(request):
        raise httpx.ConnectError("refused", request=request)

    client = client_of(handle)
    with pytest.raises(Unavailable):
        await client.ask("12345", "EAAfake")
    await client.close()


@pytest.mark.parametrize(("number", "token"), [("12/../34", "EAAfake"), ("12345", "EAA\nfake"), ("", "EAAfake")])
async def test_what_cannot_stand_in_a_request_is_not_asked_with(number, token):
    client = client_of(lambda _: pytest.fail("asked"))
    assert await client.ask(number, token) is None
    await client.close()
