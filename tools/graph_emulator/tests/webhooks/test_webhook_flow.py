"""What reaches the webhook receiver: signed, in order, repeated, doubled, batched, dropped."""

import json

import pytest


async def rules(rig, *faults):
    await rig.control("faults", {"rules": list(faults)})


async def test_the_signature_is_over_the_bytes_as_they_are_written(rig):
    await rig.inbound("h\N{LATIN SMALL LETTER A WITH DIAERESIS} \N{GRINNING FACE} a/b")
    await rig.quiet()
    ((_, raw),) = rig.receiver.raw
    assert b'"body":"h\\u00e4 \\ud83d\\ude00 a\\/b"' in raw
    assert rig.receiver.all_signed()


async def test_a_refused_webhook_comes_again_with_the_same_bytes(rig):
    rig.receiver.answers = [503, 500, 201, 302]
    wamid = (await rig.inbound())["wamid"]
    await rig.quiet()
    assert len(rig.receiver.raw) == 5
    assert len(set(rig.receiver.raw)) == 1
    (entry,) = (await rig.control("outbox"))["entries"]
    assert (entry["wamid"], entry["webhook"]["outcome"]) == (wamid, "delivered")
    assert [attempt["status"] for attempt in entry["webhook"]["attempts"]] == [503, 500, 201, 302, 200]


async def test_an_unreachable_receiver_is_tried_until_it_is_back(rig):
    await rig.control("config", {"webhookUrl": "http://127.0.0.1:9/hook"})
    await rig.inbound()
    await rig.until(lambda: rig.emulator.ledger.counters["webhook_refused"] >= 2)
    assert not (await rig.control("idle"))["idle"]
    await rig.control("config", {"webhookUrl": str(rig.hook.make_url("/hook"))})
    await rig.quiet()
    (entry,) = (await rig.control("outbox"))["entries"]
    assert "error" in entry["webhook"]["attempts"][0]
    assert len(rig.receiver.messages) == 1


async def test_statuses_come_in_order_with_pricing_twice(rig):
    wamid = await rig.accepted(biz_opaque_callback_data="mine")
    await rig.quiet()
    statuses = rig.receiver.statuses
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    assert {(status["id"], status["biz_opaque_callback_data"]) for status in statuses} == {(wamid, "mine")}
    assert [status.get("pricing", {}).get("category") for status in statuses] == ["service", "service", None]
    assert all(isinstance(status["timestamp"], str) for status in statuses)


async def test_a_template_is_priced_by_its_category(rig):
    await rig.control("businesses", {"phoneNumberId": rig.phone_id, "templateCategories": {"sale": "marketing"}})
    for name in ("sale", "receipt"):
        await rig.accepted(type="template", text=None, template={"name": name, "language": {"code": "de"}})
        await rig.quiet()
    priced = [status["pricing"]["category"] for status in rig.receiver.statuses if status["status"] == "sent"]
    assert priced == ["marketing", "utility"]


async def test_customers_messages_keep_their_order_over_a_refusal(rig):
    rig.receiver.answers = [503, 503]
    await rig.inbound(burst=5)
    await rig.quiet()
    bodies = [message["text"]["body"] for message in rig.receiver.messages]
    assert bodies == ["Hi #1"] * 3 + ["Hi #2", "Hi #3", "Hi #4", "Hi #5"]
    entries = (await rig.control("outbox"))["entries"]
    assert [entry["webhook"]["settledOrder"] for entry in entries] == [1, 2, 3, 4, 5]


async def test_a_duplicate(rig):
    await rules(rig, {"match": {"type": "text"}, "fault": {"kind": "duplicate", "copies": 2}})
    await rig.inbound()
    await rig.quiet()
    assert len(rig.receiver.raw) == 3
    assert len(set(rig.receiver.raw)) == 1
    (entry,) = (await rig.control("outbox"))["entries"]
    assert [attempt.get("copy", False) for attempt in entry["webhook"]["attempts"]] == [False, True, True]


@pytest.mark.parametrize("shape", ["items", "changes", "entries", "mixed"])
async def test_a_batch(rig, shape):
    await rules(rig, {"fault": {"kind": "batch", "size": 1000, "waitMs": 30, "shape": shape}, "times": 1})
    await rig.inbound(burst=3)
    await rig.inbound("Other", phone="4915150000002")
    await rig.quiet()
    assert len(rig.receiver.raw) == 1
    assert [message["text"]["body"] for message in rig.receiver.messages] == ["Hi #1", "Hi #2", "Hi #3", "Other"]
    assert rig.receiver.all_signed()


async def test_a_thousand_updates_in_one_webhook(rig):
    await rules(rig, {"fault": {"kind": "batch", "size": 1000, "waitMs": 30}, "times": 1})
    await rig.inbound(burst=1000)
    await rig.quiet()
    assert len(rig.receiver.raw) == 1
    assert [message["text"]["body"] for message in rig.receiver.messages] == [f"Hi #{n}" for n in range(1, 1001)]


async def test_a_reordered_status(rig):
    await rules(rig, {"match": {"type": "sent"}, "fault": {"kind": "reorder", "ms": 60}})
    await rig.accepted()
    await rig.quiet()
    assert [status["status"] for status in rig.receiver.statuses] == ["delivered", "read", "sent"]


async def test_a_dropped_status(rig):
    await rules(rig, {"match": {"type": "delivered"}, "fault": {"kind": "drop_status"}})
    await rig.accepted()
    await rig.quiet()
    assert [status["status"] for status in rig.receiver.statuses] == ["sent", "read"]
    (entry,) = (await rig.control("ledger"))["entries"]
    assert [status["outcome"] for status in entry["statuses"]] == ["delivered", "dropped", "delivered"]


async def test_statuses_may_come_without_callback_data(rig):
    await rig.accepted(biz_opaque_callback_data="told")
    await rig.quiet()
    await rig.control("config", {"omitCallbackData": True})
    await rig.accepted(biz_opaque_callback_data="not told")
    await rig.quiet()
    told = [status.get("biz_opaque_callback_data") for status in rig.receiver.statuses]
    assert told == ["told"] * 3 + [None] * 3
    kept = [entry["callbackData"] for entry in (await rig.control("ledger"))["entries"]]
    assert kept == ["told", "not told"]


async def test_seeded_faults_lose_no_customer_message(rig):
    await rig.control(
        "faults", {"seed": 7, "probabilities": {"duplicate": 0.3, "reorder": 0.3, "batch": 0.3, "delay": 0.1}}
    )
    rig.receiver.answers = [503] * 5
    for number in range(10):
        await rig.inbound(burst=5, phone=f"491515000{number:04d}")
    await rig.quiet()
    told = {message["id"] for message in rig.receiver.messages}
    assert told == {entry["wamid"] for entry in (await rig.control("outbox"))["entries"]}
    assert len(told) == 50


async def test_an_app_that_is_not_subscribed_hears_nothing(rig):
    await rig.graph("DELETE", f"{rig.waba_id}/subscribed_apps")
    await rig.inbound()
    await rig.quiet()
    assert rig.receiver.raw == []
    (entry,) = (await rig.control("outbox"))["entries"]
    assert entry["webhook"]["outcome"] == "unrouted"


async def test_overrides_go_phone_then_account_then_app(rig):
    def override(path):
        return {"override_callback_uri": str(rig.hook.make_url(path)), "verify_token": rig.receiver.verify_token}

    await rig.graph("POST", f"{rig.waba_id}/subscribed_apps", json=override("/account"))
    await rig.inbound()
    await rig.quiet()
    await rig.graph("POST", rig.phone_id, json={"webhook_configuration": override("/phone")})
    await rig.inbound()
    await rig.quiet()
    await rig.control(
        "webhook", {"field": "account_update", "wabaId": rig.waba_id, "value": {"event": "PARTNER_ADDED"}}
    )
    await rig.quiet()
    await rig.graph("POST", rig.phone_id, json={"webhook_configuration": {"override_callback_uri": ""}})
    await rig.graph("POST", f"{rig.waba_id}/subscribed_apps")
    await rig.inbound()
    await rig.quiet()
    assert rig.receiver.paths == ["/account", "/phone", "/hook", "/hook"]
    assert rig.receiver.all_signed()


async def test_any_other_change_goes_out_as_given(rig):
    value = {"event": "APPROVED", "message_template_id": 1}
    await rig.control(
        "webhook", {"field": "message_template_status_update", "phoneNumberId": rig.phone_id, "value": value}
    )
    await rig.quiet()
    (body,) = rig.receiver.bodies
    assert body["entry"] == [
        {"id": rig.waba_id, "changes": [{"field": "message_template_status_update", "value": value}]}
    ]


async def test_a_new_app_secret_signs_from_now_on(rig):
    await rig.control("config", {"appSecret": "another-fake-secret"})
    await rig.inbound()
    await rig.quiet()
    assert rig.receiver.all_signed("another-fake-secret")
    assert "another-fake-secret" not in json.dumps(await rig.control("config"))
