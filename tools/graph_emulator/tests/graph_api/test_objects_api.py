"""Phone numbers, registration, subscriptions, tokens and the signup code, over HTTP."""

import pytest

from graph_emulator.state.directory import Business


async def test_a_phone_number_shows_its_fields(rig):
    status, answer = await rig.graph("GET", rig.phone_id)
    assert status == 200
    assert answer["display_phone_number"] == "+15550001111"
    assert answer["quality_rating"] == "GREEN"
    assert answer["throughput"] == {"level": "STANDARD"}


async def test_only_the_fields_that_were_asked_for(rig):
    _, answer = await rig.graph("GET", f"{rig.phone_id}?fields=verified_name,health_status{{entities}}")
    assert answer.keys() == {"id", "verified_name", "health_status"}


async def test_a_field_that_does_not_exist(rig):
    status, answer = await rig.graph("GET", f"{rig.phone_id}?fields=colour")
    assert (status, answer["error"]["code"]) == (400, 100)
    assert "colour" in answer["error"]["message"]


async def test_an_account_shows_itself(rig):
    _, answer = await rig.graph("GET", rig.waba_id)
    assert answer["id"] == rig.waba_id


@pytest.mark.parametrize("version", ["v19.0", "v25.0", "v99.9"])
async def test_any_version_does(rig, version):
    headers = {"Authorization": f"Bearer {rig.token}"}
    async with rig.client.get(f"/{version}/{rig.phone_id}", headers=headers) as answer:
        assert answer.status == 200


async def register(rig, pin):
    status, answer = await rig.graph(
        "POST", f"{rig.phone_id}/register", json={"messaging_product": "whatsapp", "pin": pin}
    )
    return status, answer.get("error", {}).get("code")


async def test_registering_sets_the_pin_and_then_asks_for_it(rig):
    assert await register(rig, "123456") == (200, None)
    assert await register(rig, "654321") == (400, 133005)
    assert await register(rig, "12345") == (400, 100)


async def test_registering_ten_times_in_three_days(rig):
    for _ in range(10):
        assert await register(rig, "123456") == (200, None)
    assert await register(rig, "123456") == (400, 133016)
    rig.clock.ahead_ms = 72 * 3_600_000
    assert await register(rig, "123456") == (200, None)


async def test_a_number_that_is_not_registered_cannot_send(rig):
    await rig.graph("POST", f"{rig.phone_id}/deregister")
    assert (await rig.send())[1]["error"]["code"] == 133010
    await register(rig, "123456")
    await rig.accepted()


async def test_subscriptions_come_and_go(rig):
    path = f"{rig.waba_id}/subscribed_apps"
    await rig.graph("DELETE", path)
    assert (await rig.graph("GET", path))[1] == {"data": []}
    override = {
        "override_callback_uri": str(rig.hook.make_url("/own")),
        "verify_token": rig.receiver.verify_token,
    }
    assert await rig.graph("POST", path, json=override) == (200, {"success": True})
    (entry,) = (await rig.graph("GET", path))[1]["data"]
    assert entry["override_callback_uri"] == override["override_callback_uri"]
    assert entry["whatsapp_business_api_data"]["id"] == rig.emulator.config.app_id


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"verify_token": "wrong"}, 2200),
        ({"verify_token": None}, 131008),
        ({"override_callback_uri": "http://127.0.0.1:9/"}, 2200),
        ({"override_callback_uri": "http://127.0.0.1/" + "x" * 200}, 100),
    ],
)
async def test_an_override_that_does_not_answer_is_refused(rig, change, code):
    override = {
        "override_callback_uri": str(rig.hook.make_url("/own")),
        "verify_token": rig.receiver.verify_token,
    }
    status, answer = await rig.graph("POST", f"{rig.waba_id}/subscribed_apps", json=override | change)
    assert (status, answer["error"]["code"]) == (400, code)
    assert "override_callback_uri" not in (await rig.graph("GET", f"{rig.waba_id}/subscribed_apps"))[1]["data"][0]


async def test_a_token_of_another_account_sees_nothing(rig):
    rig.emulator.directory.grant("stranger", "elsewhere")
    for method, path in [("GET", rig.phone_id), ("GET", rig.waba_id), ("GET", f"{rig.waba_id}/subscribed_apps")]:
        status, answer = await rig.graph(method, path, token="stranger")
        assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)


async def test_the_numbers_of_an_account_come_in_pages(rig):
    numbers = [f"20000000000{n:04}" for n in range(5)]
    for number in numbers:
        rig.emulator.directory.add_business(Business(number, "100000000000077", f"1555{number[-7:]}"))
    rig.emulator.directory.grant(rig.token, "100000000000077")
    path, found, after = "100000000000077/phone_numbers", [], ""
    for _ in range(3):
        _, page = await rig.graph("GET", f"{path}?fields=id&limit=2{after}")
        found += [one["id"] for one in page["data"]]
        after = f"&after={page['paging']['cursors']['after']}"
    assert (found, "next" in page["paging"]) == (numbers, False)
    assert (await rig.graph("GET", f"{path}?after=x"))[1]["error"]["code"] == 100


@pytest.mark.parametrize(("token", "code", "subcode"), [("stranger", 100, 33), ("fake-token-nobody-issued", 190, None)])
async def test_a_number_and_an_account_s_numbers_are_shown_to_their_tokens_alone(rig, token, code, subcode):
    rig.emulator.directory.grant("stranger", "elsewhere")
    for path in (f"{rig.phone_id}?fields=id,display_phone_number", f"{rig.waba_id}/phone_numbers"):
        _, answer = await rig.graph("GET", path, token=token)
        assert (answer["error"]["code"], answer["error"].get("error_subcode")) == (code, subcode)


async def test_debug_token_tells_which_accounts_a_token_is_for(rig):
    _, answer = await rig.graph("GET", f"debug_token?input_token={rig.token}")
    assert answer["data"]["is_valid"]
    assert {scope["scope"]: scope["target_ids"] for scope in answer["data"]["granular_scopes"]} == {
        "whatsapp_business_management": [rig.waba_id],
        "whatsapp_business_messaging": [rig.waba_id],
    }


async def test_debug_token_of_an_unknown_token(rig):
    app_token = f"{rig.emulator.config.app_id}|{rig.secret}"
    async with rig.client.get("/debug_token", params={"input_token": "x", "access_token": app_token}) as answer:
        data = (await answer.json())["data"]
    assert (data["is_valid"], data["error"]["code"]) == (False, 190)


async def test_an_expired_token_may_do_nothing_and_debug_token_says_since_when(rig):
    assert await rig.control("tokens/expire", {"token": rig.token, "expiresAt": 1_700_000_000}) == {"known": True}
    _, answer = await rig.graph("GET", rig.phone_id)
    assert answer["error"]["code"] == 190
    assert "Session has expired on Tuesday, 14-Nov-23" in answer["error"]["message"]
    app_token = f"{rig.emulator.config.app_id}|{rig.secret}"
    async with rig.client.get("/debug_token", params={"input_token": rig.token, "access_token": app_token}) as answer:
        data = (await answer.json())["data"]
    assert (data["is_valid"], data["expires_at"], data["error"]["subcode"]) == (False, 1_700_000_000, 463)


async def test_a_token_that_ends_later_is_valid_until_then(rig):
    await rig.control("tokens/expire", {"token": rig.token, "expiresAt": 4_000_000_000})
    _, answer = await rig.graph("GET", f"debug_token?input_token={rig.token}")
    assert (answer["data"]["is_valid"], answer["data"]["expires_at"]) == (True, 4_000_000_000)


@pytest.mark.parametrize(("query", "token", "code"), [("", "fake-token", 100), ("?input_token=x", "nobody", 190)])
async def test_debug_token_refuses(rig, query, token, code):
    _, answer = await rig.graph("GET", f"debug_token{query}", token=token)
    assert answer["error"]["code"] == code


async def exchange(rig, code, **change):
    query = {"client_id": rig.emulator.config.app_id, "client_secret": rig.secret, "code": code} | change
    return await rig.graph("GET", "oauth/access_token", token=None, params=query)


async def test_a_signup_code_buys_one_token(rig):
    code = (await rig.control("signup", {"wabaId": rig.waba_id}))["code"]
    status, answer = await exchange(rig, code)
    assert (status, answer["token_type"]) == (200, "bearer")
    assert (await rig.graph("GET", rig.phone_id, token=answer["access_token"]))[0] == 200
    assert (await exchange(rig, code))[1]["error"]["code"] == 100


async def test_a_signup_code_lives_for_thirty_seconds(rig):
    code = (await rig.control("signup", {"wabaId": rig.waba_id}))["code"]
    rig.clock.ahead_ms = 30_001
    assert (await exchange(rig, code))[1]["error"]["code"] == 100


@pytest.mark.parametrize("change", [{"client_secret": "wrong"}, {"client_id": "1"}])
async def test_a_wrong_client_spends_no_code(rig, change):
    code = (await rig.control("signup", {"wabaId": rig.waba_id}))["code"]
    assert (await exchange(rig, code, **change))[1]["error"]["code"] == 1
    assert (await exchange(rig, code))[0] == 200
