"""Asking Meta about an account: whose fault a refusal is, and that no token is shown."""

import httpx
import pytest

from common.errors import InvalidInput, Unavailable
from common.meta.client import GraphSettings
from common.meta.onboarding import PERMISSION, Onboarding

TOKEN, NUMBER, WABA = "fake-access-token", "200000000000001", "100000000000001"
VALID = {"is_valid": True, "scopes": [PERMISSION], "granular_scopes": [{"scope": PERMISSION, "target_ids": [WABA]}]}


def error(code, status=400):
    return httpx.Response(status, json={"error": {"code": code, "message": f"Meta quotes {TOKEN}"}})


def data(**changes):
    return httpx.Response(200, json={"data": VALID | changes})


async def check(number=None, inspected=None, *, waba=WABA, token=TOKEN):
    """Check with these answers to the two questions (an exception is raised); the requests that were made."""
    requests = []

    def answer(request):
        requests.append(request)
        about_token = request.url.path.endswith("/debug_token")
        given = (inspected or data()) if about_token else (number or httpx.Response(200, json={"id": NUMBER}))
        if isinstance(given, Exception):
            raise given
        return given

    onboarding = Onboarding(GraphSettings(), transport=httpx.MockTransport(answer))
    try:
        await onboarding.check(NUMBER, waba, token)
    finally:
        await onboarding.close()
    return requests


async def test_a_token_that_reaches_its_number_passes_two_questions():
    number, inspected = await check()
    assert number.url.path == f"/v25.0/{NUMBER}"
    assert (inspected.url.path, inspected.url.params["input_token"]) == ("/v25.0/debug_token", TOKEN)
    assert {request.headers["authorization"] for request in (number, inspected)} == {f"Bearer {TOKEN}"}


REFUSED = {
    "expired token": ({"number": error(190, 401)}, "accessToken"),
    "token without the permission": ({"number": error(10, 403)}, "accessToken"),
    "number of another business": ({"number": error(100)}, "phoneNumberId"),
    "number that Meta has under another id": ({"number": httpx.Response(200, json={"id": "2"})}, "phoneNumberId"),
    "token that is not valid": ({"inspected": data(is_valid=False)}, "accessToken"),
    "no data about the token": ({"inspected": httpx.Response(200, json={})}, "accessToken"),
    "token that may only manage": ({"inspected": data(scopes=["whatsapp_business_management"])}, "accessToken"),
    "token of another WABA": ({"waba": "100000000000009"}, "wabaId"),
    "token with a line break": ({"token": "fake\r\ntoken"}, "accessToken"),
    "token that is not ASCII": ({"token": "fäke"}, "accessToken"),
    "token with a blank": ({"token": "fake token"}, "accessToken"),
}


@pytest.mark.parametrize(("answers", "field"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_names_the_field_and_shows_no_token(answers, field):
    with pytest.raises(InvalidInput) as caught:
        await check(**answers)
    assert (caught.value.error_code, caught.value.details[0]["field"]) == ("refused_by_meta", field)
    assert answers.get("token", TOKEN) not in f"{caught.value} {caught.value.details}"


NO_ANSWER = {
    "throttled": {"number": error(4)},
    "down": {"number": error(2, 500)},
    "a code of tomorrow": {"number": error(987654)},
    "a gateway's page": {"number": httpx.Response(502, text="<html>")},
    "a success that cannot be read": {"number": httpx.Response(200, text="nonsense")},
    "a success that is no object": {"number": httpx.Response(200, json=[1])},
    "no connection": {"number": httpx.ConnectError(f"at ?input_token={TOKEN}")},
    "too slow, the second time": {"inspected": httpx.ReadTimeout(f"at ?input_token={TOKEN}")},
    "throttled, the second time": {"inspected": error(4)},
}


@pytest.mark.parametrize("answers", NO_ANSWER.values(), ids=NO_ANSWER)
async def test_without_a_usable_answer_nothing_is_decided(answers):
    with pytest.raises(Unavailable) as caught:
        await check(**answers)
    assert caught.value.error_code == "meta_unavailable"
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


PASSING = {
    "no WABA given": {"waba": None},
    "permission for every WABA": {"inspected": data(granular_scopes=[{"scope": PERMISSION}])},
    "no scopes told": {"inspected": httpx.Response(200, json={"data": {"is_valid": True}})},
    "a token that may not inspect itself": {"inspected": error(100)},
}


@pytest.mark.parametrize("answers", PASSING.values(), ids=PASSING)
async def test_what_meta_does_not_limit_passes(answers):
    assert len(await check(**answers)) == 2


async def prove(*pages, waba=WABA):
    """Prove with these pages of the WABA's numbers; the queries by which they were asked for."""
    queries, left = [], list(pages)

    def answer(request):
        if request.url.path.endswith("/debug_token"):
            return data()
        if request.url.path.endswith(f"/{waba}/phone_numbers"):
            queries.append(dict(request.url.params))
            return left.pop(0)
        return httpx.Response(200, json={"id": NUMBER, "display_phone_number": "+1 555 000 1111"})

    onboarding = Onboarding(GraphSettings(), transport=httpx.MockTransport(answer))
    try:
        await onboarding.prove(NUMBER, waba, TOKEN)
    finally:
        await onboarding.close()
    return queries


def page(*ids, after=None):
    paging = {"cursors": {"after": after or "end"}} | ({"next": "https://graph.invalid/next"} if after else {})
    return httpx.Response(200, json={"data": [{"id": one} for one in ids], "paging": paging})


async def test_a_number_is_looked_for_on_every_page_of_its_waba():
    queries = await prove(page("1", "2", after="fake-cursor"), page(NUMBER, after="more"))
    assert [query.get("after") for query in queries] == [None, "fake-cursor"]
    assert await prove(waba=None) == []


NOT_OF_THE_WABA = {
    "other numbers": [page("1"), page("2")],
    "no numbers": [httpx.Response(200, json={"data": []})],
    "nothing that can be read": [httpx.Response(200, json={"data": [None, {}], "paging": 1})],
    "a list without an end": [page("1", after="again")] * 1_000,
    "not shown": [error(100)],
    "no permission to list": [error(200, 403)],
}


@pytest.mark.parametrize("pages", NOT_OF_THE_WABA.values(), ids=NOT_OF_THE_WABA)
async def test_a_number_that_is_not_of_the_waba_is_refused(pages):
    with pytest.raises(InvalidInput) as caught:
        await prove(*pages)
    assert caught.value.details[0]["field"] == "wabaId"


async def test_a_waba_that_cannot_be_listed_now_decides_nothing():
    with pytest.raises(Unavailable):
        await prove(error(4))
