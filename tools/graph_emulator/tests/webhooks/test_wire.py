import json

from graph_emulator.ids import Ids, bsuid
from graph_emulator.state.directory import Business, Customer
from graph_emulator.state.ledger import Trace
from graph_emulator.webhooks.wire import StatusFacts, Update, encode, envelope, message_value, signature, status_value

BUSINESS = Business("111", "222", "15550001111")
OTHER = Business("112", "222", "15550001112")
ADA = Customer("4915150000001", "DE.1", "Ada", username="ada")
HIDDEN = Customer("4915150000002", "DE.2", "Bob", username="bob", withhold_phone=True)
TEXT = {"id": "wamid.A", "timestamp": "1", "type": "text", "text": {"body": "Hi"}}


def facts(status="delivered", **change):
    plain = {"wamid": "wamid.B", "at_s": 7, "to_user_id": False, "callback_data": None, "billed": None, "code": 0}
    return StatusFacts(**(plain | {"status": status} | change))


def update(business=BUSINESS, wamid="wamid.A", field="messages", customer=ADA):
    value = message_value(business, customer, TEXT | {"id": wamid})
    return Update(
        business.waba_id, business.phone_number_id, field, value, "lane", (), "text", Trace("inbound", wamid, 0)
    )


def test_an_inbound_message_names_its_sender_twice():
    assert message_value(BUSINESS, ADA, TEXT) == {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": "111"},
        "contacts": [{"profile": {"name": "Ada", "username": "ada"}, "wa_id": "4915150000001", "user_id": "DE.1"}],
        "messages": [{"from": "4915150000001", "from_user_id": "DE.1"} | TEXT],
    }


def test_a_withheld_phone_number_is_left_out():
    value = message_value(BUSINESS, HIDDEN, TEXT)
    assert "from" not in value["messages"][0]
    assert value["contacts"] == [{"profile": {"name": "Bob", "username": "bob"}, "user_id": "DE.2"}]


def test_a_system_message_has_no_contacts():
    assert "contacts" not in message_value(BUSINESS, ADA, TEXT | {"type": "system"})


def test_a_status_with_everything():
    value = status_value(BUSINESS, ADA, facts(callback_data="mine", billed=("regular", "service")))
    assert value["statuses"] == [
        {
            "id": "wamid.B",
            "status": "delivered",
            "timestamp": "7",
            "recipient_id": "4915150000001",
            "recipient_user_id": "DE.1",
            "biz_opaque_callback_data": "mine",
            "pricing": {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"},
        }
    ]
    assert value["contacts"][0]["profile"] == {"name": "Ada", "username": "ada"}


def test_sent_has_no_username():
    assert status_value(BUSINESS, ADA, facts("sent"))["contacts"][0]["profile"] == {"name": "Ada"}


def test_failed_has_errors_and_no_contacts():
    value = status_value(BUSINESS, ADA, facts("failed", code=131026))
    assert "contacts" not in value
    status = value["statuses"][0]
    assert "recipient_user_id" not in status
    assert status["errors"][0]["code"] == 131026
    assert status["errors"][0]["error_data"]["details"]


def test_failed_to_a_bsuid_names_it():
    status = status_value(BUSINESS, HIDDEN, facts("failed", code=131026, to_user_id=True))["statuses"][0]
    assert status["recipient_user_id"] == "DE.2"
    assert "recipient_id" not in status


def test_a_number_that_the_business_knows_is_not_withheld_from_it():
    assert status_value(BUSINESS, HIDDEN, facts())["statuses"][0]["recipient_id"] == "4915150000002"
    hidden = status_value(BUSINESS, HIDDEN, facts(to_user_id=True))
    assert "recipient_id" not in hidden["statuses"][0]
    assert "wa_id" not in hidden["contacts"][0]


def test_items_merge_what_is_of_one_number():
    body = envelope([update(wamid="A"), update(wamid="B"), update(OTHER, wamid="C")])
    assert [entry["id"] for entry in body["entry"]] == ["222"]
    changes = body["entry"][0]["changes"]
    assert [[message["id"] for message in change["value"]["messages"]] for change in changes] == [["A", "B"], ["C"]]
    assert len(changes[0]["value"]["contacts"]) == 1


def test_merging_leaves_the_updates_as_they_are():
    first = update(wamid="A")
    envelope([first, update(wamid="B", customer=HIDDEN)])
    assert len(first.value["messages"]) == len(first.value["contacts"]) == 1


def test_other_fields_are_never_merged():
    body = envelope([update(field="history"), update(field="history")])
    assert len(body["entry"][0]["changes"]) == 2


def test_changes_and_entries():
    updates = [update(wamid="A"), update(wamid="B")]
    assert [len(entry["changes"]) for entry in envelope(updates, "changes")["entry"]] == [2]
    assert [len(entry["changes"]) for entry in envelope(updates, "entries")["entry"]] == [1, 1]


def test_bytes_are_written_as_meta_writes_them():
    body = {"text": "h\N{LATIN SMALL LETTER A WITH DIAERESIS} \N{GRINNING FACE} a/b"}
    raw = encode(body)
    assert raw == b'{"text":"h\\u00e4 \\ud83d\\ude00 a\\/b"}'
    assert json.loads(raw) == body


def test_signature_vector():
    # RFC 4231, test case 2
    expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature("Jefe", b"what do ya want for nothing?") == expected


def test_a_person_has_one_bsuid():
    assert bsuid("4915150000001") == bsuid("4915150000001") != bsuid("4915150000002")
    assert bsuid("4915150000001").startswith("DE.")
    assert bsuid("15550001111").startswith("US.")


def test_wamids_never_repeat_within_or_between_runs():
    runs = [Ids(), Ids()]
    wamids = {ids.wamid("4915150000001", inbound=inbound) for ids in runs for inbound in (True, False, True)}
    assert len(wamids) == 6
    assert all(wamid.startswith("wamid.HBg") for wamid in wamids)
