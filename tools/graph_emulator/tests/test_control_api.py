"""The control API: setting the scene, reading what happened, and what it says to nonsense."""

import pytest


async def test_a_business_can_be_added_and_used(rig):
    made = await rig.control(
        "businesses", {"phoneNumberId": "777", "wabaId": "888", "displayPhoneNumber": "+15550007777"}
    )
    body = {"messaging_product": "whatsapp", "to": "4915150000001", "type": "text", "text": {"body": "x"}}
    status, _ = await rig.graph("POST", "777/messages", token=made["token"], json=body)
    assert status == 200
    await rig.quiet()
    metadata = rig.receiver.values[0]["metadata"]
    assert metadata == {"display_phone_number": "15550007777", "phone_number_id": "777"}
    assert rig.receiver.bodies[0]["entry"][0]["id"] == "888"


async def test_a_business_can_be_made_up(rig):
    made = await rig.control("businesses", {})
    assert (await rig.graph("GET", made["phoneNumberId"], token=made["token"]))[0] == 200


async def test_changing_a_business_keeps_the_rest(rig):
    await rig.control("businesses", {"phoneNumberId": rig.phone_id, "verifiedName": "Shop", "subscribed": False})
    (shown,) = (await rig.control("businesses"))["businesses"]
    assert shown["verifiedName"] == "Shop"
    assert shown["displayPhoneNumber"] == "15550001111"
    assert shown["wabaId"] == rig.waba_id
    assert not shown["subscribed"]


async def test_tokens_are_added_and_revoked(rig):
    token = (await rig.control("tokens", {"wabaId": rig.waba_id}))["token"]
    assert (await rig.graph("GET", rig.phone_id, token=token))[0] == 200
    assert await rig.control("tokens/revoke", {"token": token}) == {"revoked": True}
    assert await rig.control("tokens/revoke", {"token": token}) == {"revoked": False}
    assert (await rig.graph("GET", rig.phone_id, token=token))[0] == 401


async def test_no_answer_holds_a_token_or_the_secret(rig):
    await rig.accepted()
    await rig.quiet()
    for path in ("config", "businesses", "customers", "ledger", "calls", "health", "faults"):
        async with rig.client.get(f"/_control/{path}") as answer:
            text = await answer.text()
        assert rig.token not in text
        assert rig.secret not in text


async def test_the_callback_can_be_verified(rig):
    assert await rig.control("verify", {}) == {"verified": True, "reason": ""}
    refused = await rig.control("verify", {"verifyToken": "wrong"})
    assert not refused["verified"]
    assert "403" in refused["reason"]


async def test_idle_means_nothing_is_to_come(rig):
    assert await rig.control("idle") == {"idle": True, "pending": {"webhooks": 0, "statuses": 0}}
    await rig.control("config", {"sentAfterMs": 60_000})
    await rig.accepted()
    assert await rig.control("idle") == {"idle": False, "pending": {"webhooks": 0, "statuses": 1}}


async def test_reset_forgets_what_happened_and_what_waits(rig):
    await rig.control("config", {"sentAfterMs": 60_000})
    await rig.control("faults", {"rules": [{"fault": {"kind": "delay", "ms": 60_000}}]})
    await rig.control("customers", {"phone": "4915150000001", "blocked": True})
    await rig.accepted()
    await rig.inbound()
    assert not (await rig.control("idle"))["idle"]
    await rig.control("reset", {})
    assert (await rig.control("idle"))["idle"]
    assert (await rig.control("ledger"))["entries"] == (await rig.control("outbox"))["entries"] == []
    assert (await rig.control("faults"))["rules"] == []
    assert (await rig.control("health"))["counters"] == {}
    await rig.control("config", {"sentAfterMs": 0})
    await rig.accepted()
    await rig.quiet()
    assert [status["status"] for status in rig.receiver.statuses] == ["sent", "delivered", "read"]


async def test_faults_can_be_cleared(rig):
    await rig.control("faults", {"rules": [{"fault": {"kind": "reset"}}]})
    await rig.control("faults", method="DELETE")
    await rig.accepted()


async def test_health_counts(rig):
    await rig.accepted()
    await rig.send(text=None)
    await rig.inbound()
    await rig.quiet()
    counters = (await rig.control("health"))["counters"]
    expected = {"calls": 2, "accepted": 1, "refused_131008": 1, "inbound": 1, "webhook_posts": 4, "webhook_ok": 4}
    assert counters == expected | {"updates_delivered": 4}


async def test_calls_are_listed_newest_last(rig):
    await rig.accepted()
    await rig.send(text=None)
    calls = (await rig.control("calls?limit=1"))["calls"]
    assert [(call["method"], call["status"], call["code"]) for call in calls] == [("POST", 400, 131008)]
    assert (await rig.control(f"calls?afterMs={calls[0]['atMs'] + 1000}"))["calls"] == []


async def test_ledger_and_outbox_can_be_read_per_number(rig):
    await rig.control("businesses", {"phoneNumberId": "777", "wabaId": rig.waba_id})
    await rig.accepted()
    await rig.inbound()
    for path in ("ledger", "outbox"):
        assert len((await rig.control(f"{path}?phoneNumberId={rig.phone_id}"))["entries"]) == 1
        assert (await rig.control(f"{path}?phoneNumberId=777"))["entries"] == []


async def test_the_page_is_there(rig):
    async with rig.client.get("/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("config", {"sentAfter": 1}, "unknown setting 'sentAfter'"),
        ("config", {"sentAfterMs": -1}, "sentAfterMs"),
        ("config", {"sentAfterMs": True}, "sentAfterMs"),
        ("config", {"ordered": 1}, "ordered"),
        ("config", {"retryDelaysMs": []}, "retryDelaysMs"),
        ("config", {"webhookConcurrency": 0}, "webhookConcurrency"),
        ("config", ["sentAfterMs"], "must be a JSON object"),
        ("businesses", {"phone": "1"}, "a business has no phone"),
        ("businesses", {"templateCategories": "marketing"}, "templateCategories"),
        ("tokens", {}, "wabaId is required"),
        ("tokens/revoke", {"token": 5}, "token is required"),
        ("signup", {}, "wabaId is required"),
        ("customers", {}, "phone is required"),
        ("customers", {"phone": "Ada"}, "must be a phone number"),
        ("customers", {"phone": "491", "asleep": True}, "a customer has no asleep"),
        ("customers", {"phone": "491", "offline": "yes"}, "offline"),
        ("inbound", {"from": "491", "phoneNumberId": "999", "text": "x"}, "no business has phoneNumberId 999"),
        ("inbound", {"from": "491", "phoneNumberId": "111222333"}, "either text or message"),
        ("inbound", {"from": "491", "phoneNumberId": "111222333", "text": ""}, "text a text that is not empty"),
        ("inbound", {"from": "491", "phoneNumberId": "111222333", "message": {}}, "with a type"),
        ("inbound", {"from": "491", "phoneNumberId": "111222333", "text": "x", "burst": 0}, "burst"),
        ("inbound", {"from": "491", "phoneNumberId": "111222333", "txt": "x"}, "no txt"),
        ("webhook", {"field": "messages", "wabaId": "1"}, "value must be a JSON object"),
        ("faults", {"rules": [{"fault": {"kind": "explode"}}]}, "unknown fault kind"),
    ],
)
async def test_nonsense_is_refused_with_what_to_change(rig, path, body, complaint):
    assert complaint in (await rig.control(path, body, expect=400))["error"]


async def test_a_refused_change_changes_nothing(rig):
    await rig.control("config", {"sentAfterMs": 5, "readAfterMs": "soon"}, expect=400)
    assert rig.emulator.config.sent_after_ms == 1


@pytest.mark.parametrize("raw", [b"{", b"[]"])
async def test_a_body_that_is_no_json_object(rig, raw):
    async with rig.client.post("/_control/inbound", data=raw) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("query", ["ledger?after=x", "calls?limit=-1"])
async def test_queries_are_whole_numbers(rig, query):
    assert "whole number" in (await rig.control(query, expect=400))["error"]
