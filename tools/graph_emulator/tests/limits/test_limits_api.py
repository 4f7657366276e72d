"""Meta's limits over HTTP: what is refused, with which code, and what the control API says of it. Nothing sleeps."""

import pytest

ADA, BOB = "4915150000001", "4915150000002"
HOUR = 3_600_000
TEMPLATE = {"type": "template", "text": None, "template": {"name": "hello", "language": {"code": "de"}}}


async def enforce(rig, *limits):
    """Enforce these limits, with clocks that move only when the test moves them."""
    rig.clock.stop()
    await rig.control("config", {"limits": list(limits)})


async def codes(rig, count, **message):
    """The codes of so many sends; 0 for one that was accepted. Every refusal is a 400."""
    answers = [await rig.send(**message) for _ in range(count)]
    assert {status for status, answer in answers if "error" in answer} <= {400}
    return [answer.get("error", {}).get("code", 0) for _, answer in answers]


async def report(rig):
    return await rig.control(f"limits?phoneNumberId={rig.phone_id}")


async def throughput(rig, **change):
    return await rig.control("throughput", {"phoneNumberId": rig.phone_id} | change)


async def window(rig, **change):
    if change:
        return await rig.control("window", {"phoneNumberId": rig.phone_id, "phone": ADA} | change)
    return await rig.control(f"window?phoneNumberId={rig.phone_id}&phone={ADA}")


async def test_without_the_setting_nothing_is_refused(rig):
    rig.clock.stop()
    await throughput(rig, messagesPerSecond=1)
    assert await codes(rig, 50) == [0] * 50
    shown = await report(rig)
    assert shown["enforced"] == []
    assert (shown["busiestSecond"]["messages"], shown["messagesPerSecond"]) == (50, 1)
    assert shown["refused"] == {"throughput": 0, "pair": 0, "window": 0}


async def test_the_second_is_full_and_then_slides(rig):
    await enforce(rig, "throughput")
    await throughput(rig, messagesPerSecond=3)
    assert await codes(rig, 2) == [0, 0]
    rig.clock.ahead_ms += 600
    assert await codes(rig, 3) == [0, 130429, 130429]
    rig.clock.ahead_ms += 399
    assert await codes(rig, 1) == [130429]
    rig.clock.ahead_ms += 1
    assert await codes(rig, 3) == [0, 0, 130429]
    assert len((await rig.control("ledger"))["entries"]) == 5
    shown = await report(rig)
    assert shown["busiestSecond"]["messages"] == 3
    assert shown["refused"] == {"throughput": 4, "pair": 0, "window": 0}


@pytest.mark.parametrize(("change", "most"), [({}, 80), ({"onBizApp": True}, 20)])
async def test_every_level_has_its_limit(rig, change, most):
    await enforce(rig, "throughput")
    assert (await throughput(rig, **change))["messagesPerSecond"] == most
    assert await codes(rig, most + 1) == [0] * most + [130429]
    assert (await report(rig))["busiestSecond"]["messages"] == most


async def test_an_upgrade_counts_from_the_next_message_on(rig):
    await enforce(rig, "throughput")
    assert await codes(rig, 81) == [0] * 80 + [130429]
    assert (await throughput(rig, throughputLevel="HIGH"))["messagesPerSecond"] == 1_000
    assert await codes(rig, 20) == [0] * 20
    await throughput(rig, throughputLevel="STANDARD")
    assert await codes(rig, 1) == [130429]


async def test_what_customers_write_counts_and_is_never_refused(rig):
    await enforce(rig, "throughput")
    await throughput(rig, messagesPerSecond=5)
    await rig.inbound(burst=3)
    assert await codes(rig, 3) == [0, 0, 130429]
    await rig.inbound(burst=2)
    shown = await report(rig)
    assert shown["busiestSecond"] | {"endedMonotonicMs": 0} == {
        "messages": 7,
        "inbound": 5,
        "outbound": 2,
        "endedMonotonicMs": 0,
    }
    assert (shown["inbound"], shown["outbound"]) == (5, 2)


async def test_numbers_do_not_share_their_second(rig):
    await enforce(rig, "throughput")
    await throughput(rig, messagesPerSecond=1)
    made = await rig.control("businesses", {"phoneNumberId": "777", "wabaId": "888", "messagesPerSecond": 1})
    assert await codes(rig, 2) == [0, 130429]
    body = {"messaging_product": "whatsapp", "to": ADA, "type": "text", "text": {"body": "x"}}
    assert (await rig.graph("POST", "777/messages", token=made["token"], json=body))[0] == 200


async def test_marketing_messages_count_and_read_marks_do_not(rig):
    await enforce(rig, "throughput")
    await throughput(rig, messagesPerSecond=3)
    wamid = (await rig.inbound())["wamid"]
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    for _ in range(5):
        assert (await rig.graph("POST", f"{rig.phone_id}/messages", json=read))[0] == 200
    body = {"messaging_product": "whatsapp", "to": ADA, "type": "template", "template": TEMPLATE["template"]}
    answers = [await rig.graph("POST", f"{rig.phone_id}/marketing_messages", json=body) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 400]
    assert answers[-1][1]["error"]["code"] == 130429
    assert (await rig.graph("POST", f"{rig.phone_id}/messages", json=read))[0] == 200


async def test_a_message_that_is_refused_for_itself_counts_for_no_limit(rig):
    await enforce(rig, "throughput", "pair")
    await throughput(rig, messagesPerSecond=1)
    assert await codes(rig, 5, text=None) == [131008] * 5
    assert await codes(rig, 1) == [0]


async def test_a_burst_to_one_person_and_silence_after_it(rig):
    await enforce(rig, "pair")
    assert await codes(rig, 46) == [0] * 45 + [131056]
    assert await codes(rig, 1, to=BOB) == [0]
    rig.clock.ahead_ms += 45 * 6_000 - 1
    assert await codes(rig, 1) == [131056]
    rig.clock.ahead_ms += 1
    assert await codes(rig, 1) == [0]
    assert (await report(rig))["refused"] == {"throughput": 0, "pair": 2, "window": 0}


async def test_a_person_is_one_by_number_and_by_bsuid(rig):
    await enforce(rig, "pair", "window")
    user_id = (await rig.inbound())["userId"]
    assert await codes(rig, 1) == [0]
    rig.clock.ahead_ms += 6_000
    assert await codes(rig, 1, to=None, recipient=user_id) == [0]
    rig.clock.ahead_ms += 5_999
    assert await codes(rig, 2) == [0, 0]
    rig.clock.ahead_ms += 1
    assert await codes(rig, 1, to=None, recipient=user_id) == [131056]


async def test_a_refused_message_is_charged_to_no_limit(rig):
    await enforce(rig, "throughput", "pair", "window")
    await throughput(rig, messagesPerSecond=1)
    assert await codes(rig, 3) == [131047] * 3
    await rig.inbound()
    assert await codes(rig, 3) == [130429] * 3
    rig.clock.ahead_ms += 1_000
    assert await codes(rig, 1) == [0]
    rig.clock.ahead_ms += 6_000
    assert await codes(rig, 1) == [0]
    assert (await report(rig))["refused"] == {"throughput": 3, "pair": 0, "window": 3}


async def test_free_form_needs_a_message_of_the_last_day(rig):
    await enforce(rig, "window")
    assert await codes(rig, 1) == [131047]
    assert await codes(rig, 1, **TEMPLATE) == [0]
    await rig.inbound()
    rig.clock.ahead_ms += 24 * HOUR - 1
    assert await codes(rig, 1) == [0]
    assert await codes(rig, 1, to=BOB) == [131047]
    rig.clock.ahead_ms += 1
    assert await codes(rig, 1) == [131047]
    await rig.inbound()
    assert await codes(rig, 1) == [0]


async def test_a_window_is_open_for_one_number_only(rig):
    await enforce(rig, "window")
    made = await rig.control("businesses", {"phoneNumberId": "777", "wabaId": "888"})
    await rig.inbound()
    body = {"messaging_product": "whatsapp", "to": ADA, "type": "text", "text": {"body": "x"}}
    status, answer = await rig.graph("POST", "777/messages", token=made["token"], json=body)
    assert (status, answer["error"]["code"]) == (400, 131047)


async def test_an_ad_opens_three_days(rig):
    await enforce(rig, "window")
    referral = {"source_type": "ad", "source_id": "1", "ctwa_clid": "x"}
    await rig.inbound(message={"type": "text", "text": {"body": "Hi"}, "referral": referral})
    rig.clock.ahead_ms += 72 * HOUR - 1
    assert await codes(rig, 1) == [0]
    rig.clock.ahead_ms += 1
    assert await codes(rig, 1) == [131047]


async def test_a_window_can_be_looked_at_and_closed(rig):
    await enforce(rig, "window")
    assert await window(rig) == {"open": False, "closesAtMs": 0, "lastInboundAtMs": 0}
    await rig.inbound()
    now = rig.clock.now_ms()
    assert await window(rig) == {"open": True, "closesAtMs": now + 24 * HOUR, "lastInboundAtMs": now}
    assert (await window(rig, agoMs=24 * HOUR))["open"] is False
    assert await codes(rig, 1) == [131047]
    assert (await window(rig, agoMs=23 * HOUR))["open"] is True
    assert await codes(rig, 1) == [0]


async def test_limits_change_while_it_runs(rig):
    await enforce(rig, "pair")
    assert await codes(rig, 2) == [0, 0]
    rig.clock.ahead_ms += 6_000
    assert await codes(rig, 1) == [131056]
    assert (await rig.control("config", {"limits": "none"}))["limits"] == []
    assert await codes(rig, 1) == [0]
    assert (await rig.control("config", {"limits": "all"}))["limits"] == ["pair", "throughput", "window"]
    assert await codes(rig, 1) == [131056]
    assert (await rig.control("config"))["limits"] == ["pair", "throughput", "window"]


async def test_reset_forgets_what_was_counted_and_keeps_the_setting(rig):
    await enforce(rig, "window", "pair")
    await rig.inbound()
    assert await codes(rig, 46) == [0] * 45 + [131056]
    await rig.control("reset", {})
    shown = await report(rig)
    assert (shown["outbound"], shown["busiestSecond"]["messages"], shown["refused"]["pair"]) == (0, 0, 0)
    assert await codes(rig, 1) == [131047]
    await rig.inbound()
    assert await codes(rig, 1) == [0]


async def test_a_lost_answer_counts_for_the_limits(rig):
    await enforce(rig, "throughput")
    await throughput(rig, messagesPerSecond=1)
    await rig.control("faults", {"rules": [{"fault": {"kind": "http_5xx", "accepted": True}, "times": 1}]})
    assert (await rig.send())[0] >= 500
    assert await codes(rig, 1) == [130429]


async def test_a_number_tells_its_level(rig):
    query = f"{rig.phone_id}?fields=throughput,is_on_biz_app,platform_type"
    standard = {"throughput": {"level": "STANDARD"}, "is_on_biz_app": False, "platform_type": "CLOUD_API"}
    assert (await rig.graph("GET", query))[1] == standard | {"id": rig.phone_id}
    for level in ("HIGH", "NOT_APPLICABLE"):
        await throughput(rig, throughputLevel=level, onBizApp=level == "NOT_APPLICABLE")
        _, answer = await rig.graph("GET", query)
        assert answer["throughput"] == {"level": level}
        assert answer["is_on_biz_app"] is (level == "NOT_APPLICABLE")


async def test_an_upgrade_is_told_by_webhook(rig):
    await throughput(rig, throughputLevel="HIGH", webhook=True)
    await throughput(rig, throughputLevel="STANDARD")
    await rig.quiet()
    (body,) = rig.receiver.bodies
    assert body["entry"][0]["id"] == rig.waba_id
    (change,) = body["entry"][0]["changes"]
    assert change == {
        "field": "phone_number_quality_update",
        "value": {
            "display_phone_number": "15550001111",
            "event": "THROUGHPUT_UPGRADE",
            "max_daily_conversations_per_business": "TIER_UNLIMITED",
        },
    }


@pytest.mark.parametrize("inbound", [False, True])
async def test_an_expired_media_id_cannot_be_sent(rig, inbound):
    media = rig.emulator.media.add(rig.phone_id, "image/png", b"PNG", inbound=inbound)
    image = {"type": "image", "text": None, "image": {"id": media.id}}
    assert await codes(rig, 1, **image) == [0]
    assert await rig.control("media/expire", {"mediaId": media.id}) == {"expired": media.id}
    assert await codes(rig, 1, **image) == [131053]
    assert (await rig.graph("GET", media.id))[0] == 400
    assert "has expired before" in (await rig.control("media/expire", {"mediaId": media.id}, expect=400))["error"]


async def test_a_template_cannot_show_media_that_is_not_there(rig):
    parameters = [{"type": "image", "image": {"id": "404"}}]
    template = TEMPLATE["template"] | {"components": [{"type": "header", "parameters": parameters}]}
    assert await codes(rig, 1, type="template", text=None, template=template) == [131053]


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("config", {"limits": ["speed"]}, "limits must be all, none, or some of throughput, pair, window"),
        ("throughput", {"phoneNumberId": "404"}, "no business has phoneNumberId 404"),
        ("throughput", {"phoneNumberId": "111222333", "level": "HIGH"}, "throughput has no level"),
        ("throughput", {"phoneNumberId": "111222333", "throughputLevel": "FAST"}, "STANDARD, HIGH, NOT_APPLICABLE"),
        ("throughput", {"phoneNumberId": "111222333", "onBizApp": 1}, "onBizApp"),
        ("throughput", {"phoneNumberId": "111222333", "messagesPerSecond": -1}, "messagesPerSecond"),
        ("businesses", {"phoneNumberId": "111222333", "throughputLevel": None}, "throughputLevel"),
        ("window", {"phoneNumberId": "111222333", "phone": "491"}, "agoMs must be a whole number"),
        ("window", {"phoneNumberId": "111222333", "agoMs": 1}, "phone is required"),
        ("media/expire", {"mediaId": "404"}, "no media has the id 404"),
        ("media/expire", {}, "mediaId is required"),
    ],
)
async def test_nonsense_is_refused_with_what_to_change(rig, path, body, complaint):
    assert complaint in (await rig.control(path, body, expect=400))["error"]
