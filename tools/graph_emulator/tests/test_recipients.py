"""Whom messages reach: phones under Meta's own notation of their numbers, and groups."""

import pytest

from graph_emulator.wa_ids import wa_id_of

GROUP = "Y2FwaV9ncm91cDoxNTU1MDAwMDAwMToxMjAzNjMwMDAwMDAwMDAwMDAZD"


@pytest.mark.parametrize(
    ("dialled", "wa_id"),
    [
        ("5531987654321", "553187654321"),
        ("553187654321", "553187654321"),
        ("5511987654321", "5511987654321"),
        ("525512345678", "5215512345678"),
        ("5215512345678", "5215512345678"),
        ("541123456789", "5491123456789"),
        ("5491123456789", "5491123456789"),
        ("2290197000001", "22997000001"),
        ("22997000001", "22997000001"),
        ("2290121300001", "2290121300001"),
        ("2250545000001", "22545000001"),
        ("22545000001", "22545000001"),
        ("22540000001", "2250140000001"),
        ("2250140000001", "2250140000001"),
        ("22507000001", "2250707000001"),
        ("2250707000001", "2250707000001"),
        ("2250501000001", "2250501000001"),
        ("4915150000001", "4915150000001"),
        ("15550002222", "15550002222"),
    ],
)
async def test_a_phone_is_known_by_one_number_however_it_was_dialled(rig, dialled, wa_id):
    assert wa_id_of(dialled) == wa_id
    _, answer = await rig.send(to=f"+{dialled}")
    assert answer["contacts"] == [{"input": f"+{dialled}", "wa_id": wa_id}]
    await rig.quiet()
    assert {status["recipient_id"] for status in rig.receiver.statuses} == {wa_id}
    await rig.inbound(phone=dialled)
    await rig.quiet()
    assert [message["from"] for message in rig.receiver.messages] == [wa_id]
    for phone in (dialled, wa_id):
        assert len((await rig.control(f"ledger?phone={phone}"))["entries"]) == 1


async def test_a_group_gets_messages_and_its_statuses_name_it(rig):
    _, answer = await rig.send(to=GROUP, recipient_type="group")
    assert answer["contacts"] == [{"input": GROUP, "wa_id": GROUP}]
    assert answer["messages"][0]["group_id"] == GROUP
    await rig.quiet()
    assert {(status["recipient_id"], status["recipient_type"]) for status in rig.receiver.statuses} == {
        (GROUP, "group")
    }
    assert not any("recipient_user_id" in status for status in rig.receiver.statuses)
    (entry,) = (await rig.control(f"ledger?phone={GROUP}"))["entries"]
    assert entry["reached"]


async def test_who_writes_in_a_group_opens_the_window_of_the_group(rig):
    rig.emulator.config.limits = frozenset({"window"})
    assert (await rig.send(to=GROUP, recipient_type="group"))[1]["error"]["code"] == 131047
    await rig.inbound(message={"type": "text", "text": {"body": "Hi all"}, "group_id": GROUP})
    await rig.accepted(to=GROUP, recipient_type="group")
    assert (await rig.send())[1]["error"]["code"] == 131047
    await rig.quiet()
    assert [message["group_id"] for message in rig.receiver.messages] == [GROUP]


@pytest.mark.parametrize(
    "body",
    [{"to": GROUP}, {"to": "+4915150000001", "recipient_type": "group"}, {"to": GROUP, "recipient_type": "list"}],
)
async def test_a_group_is_named_as_one(rig, body):
    status, answer = await rig.send(**body)
    assert status == 400, answer
