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
    "number of somebody else": ({"number": error(100)}, "phoneNumberId"),
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
