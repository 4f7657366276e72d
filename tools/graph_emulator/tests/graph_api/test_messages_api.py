"""`POST /{phone}/messages` over HTTP: answers, refusals and injected faults."""

import asyncio
import hashlib
import hmac
import time

import aiohttp
import pytest


async def fault(rig, kind, **more):
    await rig.control("faults", {"rules": [{"fault": {"kind": kind} | more, "times": 1}]})


async def test_an_accepted_message_is_answered_as_meta_does(rig):
    status, answer = await rig.send(to="+49 1515 0000001")
    assert status == 200
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"] == [{"input": "+49 1515 0000001", "wa_id": "4915150000001"}]
    assert [list(message) for message in answer["messages"]] == [["id"]]


async def test_the_ledger_keeps_what_the_phone_received(rig):
    wamid = await rig.accepted(biz_opaque_callback_data="mine")
    await rig.quiet()
    (entry,) = (await rig.control("ledger?phone=4915150000001"))["entries"]
    assert entry["wamid"] == wamid
    assert entry["phoneNumberId"] == rig.phone_id
    assert entry["body"]["text"] == {"body": "Hello"}
    assert entry["callbackData"] == "mine"
    assert entry["reached"]
    assert [status["name"] for status in entry["statuses"]] == ["sent", "delivered", "read"]
    assert {status["outcome"] for status in entry["statuses"]} == {"delivered"}


async def test_the_ledger_is_in_order_and_can_be_read_from_a_number_on(rig):
    wamids = [await rig.accepted(text={"body": str(number)}) for number in range(5)]
    await rig.accepted(to="4915150000002")
    entries = (await rig.control("ledger?phone=4915150000001"))["entries"]
    assert [entry["wamid"] for entry in entries] == wamids
    later = (await rig.control(f"ledger?after={entries[2]['seq']}"))["entries"]
    assert [entry["phone"] for entry in later] == ["4915150000001"] * 2 + ["4915150000002"]


async def test_a_template_says_its_message_status(rig):
    template = {"name": "hello", "language": {"code": "de"}}
    _, answer = await rig.send(type="template", text=None, template=template)
    assert answer["messages"][0]["message_status"] == "accepted"
    await rig.control("config", {"messageStatus": "held_for_quality_assessment"})
    _, answer = await rig.send(type="template", text=None, template=template)
    assert answer["messages"][0]["message_status"] == "held_for_quality_assessment"


async def test_a_refusal_has_metas_shape(rig):
    status, answer = await rig.send(text=None)
    assert status == 400
    assert answer["error"].pop("fbtrace_id")
    assert answer == {
        "error": {
            "message": "(#131008) Required parameter is missing",
            "type": "OAuthException",
            "code": 131008,
            "error_data": {"messaging_product": "whatsapp", "details": "The parameter 'text' is required."},
        }
    }
    assert (await rig.control("ledger"))["entries"] == []


@pytest.mark.parametrize("token", ["unknown", "revoked"])
async def test_a_token_that_is_not_valid(rig, token):
    rig.emulator.directory.grant("revoked", rig.waba_id)
    await rig.control("tokens/revoke", {"token": "revoked"})
    status, answer = await rig.graph("POST", f"{rig.phone_id}/messages", token=token, json={})
    assert (status, answer["error"]["code"], answer["error"]["type"]) == (401, 190, "OAuthException")


async def test_no_token(rig):
    status, answer = await rig.graph("POST", f"{rig.phone_id}/messages", token=None, json={})
    assert (status, answer["error"]["code"]) == (401, 0)


async def test_a_token_in_the_query_does_as_well(rig):
    status, _ = await rig.graph("GET", f"{rig.phone_id}?access_token={rig.token}", token=None)
    assert status == 200


@pytest.mark.parametrize(("proof", "expected"), [("right", 200), ("0" * 64, 400)])
async def test_an_appsecret_proof_is_checked_when_given(rig, proof, expected):
    if proof == "right":
        proof = hmac.new(rig.secret.encode(), rig.token.encode(), hashlib.sha256).hexdigest()
    status, _ = await rig.graph("GET", f"{rig.phone_id}?appsecret_proof={proof}")
    assert status == expected


@pytest.mark.parametrize("number", ["999", "other"])
async def test_a_number_that_is_unknown_or_of_another_account(rig, number):
    await rig.control("businesses", {"phoneNumberId": "other", "wabaId": "elsewhere"})
    status, answer = await rig.graph("POST", f"{number}/messages", json={})
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)
    assert f"Object with ID '{number}' does not exist" in answer["error"]["message"]


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object(rig, raw):
    status, answer = await rig.graph("POST", f"{rig.phone_id}/messages", data=raw)
    assert (status, answer["error"]["code"]) == (400, 100)


async def test_an_unknown_path(rig):
    status, answer = await rig.graph("GET", "a/b/c")
    assert (status, answer["error"]["code"]) == (400, 2500)


async def test_sending_to_oneself(rig):
    status, answer = await rig.send(to="15550001111")
    assert (status, answer["error"]["code"]) == (400, 131021)


async def test_sending_to_a_bsuid_without_a_phone_number(rig):
    ada = await rig.control("customers", {"phone": "4915150000001", "withholdPhone": True, "username": "ada"})
    status, answer = await rig.send(to=None, recipient=ada["userId"])
    assert status == 200
    assert answer["contacts"] == [{"input": ada["userId"], "user_id": ada["userId"]}]
    await rig.quiet()
    assert {status.get("recipient_id") for status in rig.receiver.statuses} == {None}
    assert {status["recipient_user_id"] for status in rig.receiver.statuses} == {ada["userId"]}


async def test_to_wins_over_recipient(rig):
    ada = await rig.control("customers", {"phone": "4915150000001"})
    _, answer = await rig.send(to="4915150000002", recipient=ada["userId"])
    assert answer["contacts"] == [{"input": "4915150000002", "wa_id": "4915150000002"}]


async def test_a_bsuid_of_no_person(rig):
    status, answer = await rig.send(to=None, recipient="DE.404")
    assert (status, answer["error"]["code"]) == (400, 131026)


async def test_authentication_templates_need_a_phone_number(rig):
    await rig.control("businesses", {"phoneNumberId": rig.phone_id, "templateCategories": {"otp": "authentication"}})
    ada = await rig.control("customers", {"phone": "4915150000001"})
    template = {"name": "otp", "language": {"code": "de"}}
    status, answer = await rig.send(to=None, recipient=ada["userId"], type="template", text=None, template=template)
    assert (status, answer["error"]["code"]) == (400, 131062)


async def test_media_has_to_exist(rig):
    status, answer = await rig.send(type="image", text=None, image={"id": "404"})
    assert (status, answer["error"]["code"]) == (400, 131053)


async def test_marketing_messages_takes_templates_only(rig):
    body = {"messaging_product": "whatsapp", "to": "4915150000001", "type": "text", "text": {"body": "x"}}
    status, answer = await rig.graph("POST", f"{rig.phone_id}/marketing_messages", json=body)
    assert (status, answer["error"]["code"]) == (400, 131055)
    body |= {"type": "template", "template": {"name": "sale", "language": {"code": "de"}}}
    del body["text"]
    assert (await rig.graph("POST", f"{rig.phone_id}/marketing_messages", json=body))[0] == 200


async def test_reading_marks_everything_before_and_shows_typing(rig):
    first, second, third = (await rig.inbound(burst=3))["wamids"]
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": second}
    status, answer = await rig.graph(
        "POST", f"{rig.phone_id}/messages", json=body | {"typing_indicator": {"type": "text"}}
    )
    assert (status, answer) == (200, {"success": True})
    entries = {entry["wamid"]: entry for entry in (await rig.control("outbox"))["entries"]}
    assert [entries[wamid]["read"] for wamid in (first, second, third)] == [True, True, False]
    assert entries[second]["typingUntilMs"] > rig.clock.now_ms()
    assert (await rig.control("ledger"))["entries"] == []


async def test_reading_a_message_that_is_not_there(rig):
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.404"}
    status, answer = await rig.graph("POST", f"{rig.phone_id}/messages", json=body)
    assert (status, answer["error"]["code"]) == (400, 131009)


@pytest.mark.parametrize("mode", ["close", "half", "hang"])
async def test_a_lost_answer_leaves_a_message_and_its_statuses(rig, mode):
    await fault(rig, "lose_answer", mode=mode, ms=5)
    with pytest.raises(aiohttp.ClientError):
        await rig.send(biz_opaque_callback_data="mine")
    await rig.quiet()
    (entry,) = (await rig.control("ledger"))["entries"]
    assert [status["status"] for status in rig.receiver.statuses] == ["sent", "delivered", "read"]
    assert {status["id"] for status in rig.receiver.statuses} == {entry["wamid"]}
    assert {status["biz_opaque_callback_data"] for status in rig.receiver.statuses} == {"mine"}
    (call,) = (await rig.control("calls"))["calls"]
    assert (call["fault"], call["wamid"]) == ("lose_answer", entry["wamid"])
    await rig.accepted()


async def test_half_an_answer_begins_as_a_whole_one(rig):
    await fault(rig, "lose_answer", mode="half")
    body = {"messaging_product": "whatsapp", "to": "4915150000001", "type": "text", "text": {"body": "x"}}
    headers = {"Authorization": f"Bearer {rig.token}"}
    async with rig.client.post(f"/v25.0/{rig.phone_id}/messages", json=body, headers=headers) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_a_reset_leaves_nothing(rig):
    await fault(rig, "reset")
    with pytest.raises((aiohttp.ClientConnectionError, ConnectionResetError)):
        await rig.send()
    assert (await rig.control("ledger"))["entries"] == []
    await rig.accepted()


@pytest.mark.parametrize(
    ("kind", "more", "status", "code"),
    [
        ("error", {"code": 131056}, 400, 131056),
        ("error", {"code": 3}, 500, 3),
        ("error", {"code": 132001}, 404, 132001),
        ("error", {"code": 999999}, 400, 999999),
        ("http_5xx", {"code": 131000}, 500, 131000),
        ("http_5xx", {"code": 2}, 503, 2),
        ("throttle", {"code": 130429}, 400, 130429),
        ("throttle", {"code": 80007, "status": 429}, 429, 80007),
    ],
)
async def test_an_injected_error(rig, kind, more, status, code):
    await fault(rig, kind, **more)
    got, answer = await rig.send()
    assert (got, answer["error"]["code"]) == (status, code)
    assert (await rig.control("ledger"))["entries"] == []
    await rig.accepted()


@pytest.mark.parametrize(("code", "subcode"), [(190, 463), (100, 33), (0, 1), (131063, None), (7, 2494055)])
async def test_an_injected_error_with_a_subcode(rig, code, subcode):
    await fault(rig, "error", code=code, **({"subcode": subcode} if subcode else {}))
    _, answer = await rig.send()
    assert (answer["error"]["code"], answer["error"].get("error_subcode")) == (code, subcode)
    await rig.accepted()


async def test_an_error_of_one_template_spares_the_others(rig):
    rule = {"match": {"template": "offer"}, "fault": {"kind": "error", "code": 131063}}
    await rig.control("faults", {"rules": [rule]})
    for name, status in (("offer", 400), ("receipt", 200), ("offer", 400)):
        template = {"name": name, "language": {"code": "en_US"}}
        assert (await rig.send(type="template", template=template))[0] == status
    await rig.accepted()


async def test_an_accepted_message_that_fails_later(rig):
    await fault(rig, "fail_later", code=131050)
    assert (await rig.send())[0] == 200
    await rig.quiet()
    (status,) = rig.receiver.statuses
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131050)
    (entry,) = (await rig.control("ledger"))["entries"]
    assert not entry["reached"]


async def test_an_error_that_lies(rig):
    await fault(rig, "http_5xx", code=131000, accepted=True)
    assert (await rig.send())[0] == 500
    assert len((await rig.control("ledger"))["entries"]) == 1


async def test_an_error_page_of_a_proxy(rig):
    await fault(rig, "http_5xx", html=True)
    async with rig.client.post(
        f"/v25.0/{rig.phone_id}/messages", json={}, headers={"Authorization": f"Bearer {rig.token}"}
    ) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")


async def test_a_slow_call_takes_its_time_on_both_sides(rig):
    await fault(rig, "slow", beforeMs=30, afterMs=30)
    began = time.monotonic()
    sending = asyncio.ensure_future(rig.send())
    await rig.until(lambda: bool(rig.emulator.ledger.received))
    assert time.monotonic() - began >= 0.03
    assert not sending.done()
    assert (await sending)[0] == 200
    assert time.monotonic() - began >= 0.06


async def test_a_fault_for_one_customer_only(rig):
    await rig.control(
        "faults", {"rules": [{"match": {"to": "4915150000002"}, "fault": {"kind": "error", "code": 131049}}]}
    )
    assert (await rig.send(to="+4915150000002"))[1]["error"]["code"] == 131049
    await rig.accepted()
