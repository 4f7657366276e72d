"""One odd value hides nothing: every field that is read, with every JSON type, and texts that are no Unicode anywhere."""

import base64
import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import webhooks
from common.contracts.envelope import decode, decoder
from common.contracts.webhooks import original_of
from ingress.records import records, records_in_slices
from ingress.telemetry import begin

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
NUMBER, ADA = "200000000000001", "15551230001"
received = decoder(webhooks.WebhookReceived)


def message(name="1", **more):
    return {"id": f"wamid.{name}", "from": ADA, "timestamp": "1793525400", "type": "text", **more}


def status(name="S", word="sent", **more):
    return {"id": f"wamid.{name}", "status": word, "recipient_id": ADA, "timestamp": "1793525400", **more}


def body_of(value, field="messages", **entry):
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "100000000000001", **entry, "changes": [{"value": value, "field": field}]}],
    }


def value_of(*, contacts=True, messages=(), statuses=(), **more):
    people = [{"profile": {"name": "Ada", "username": "ada"}, "wa_id": ADA, "user_id": "US.ADA"}]
    lists = {"contacts": people if contacts is True else contacts, "messages": messages, "statuses": statuses}
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550000001", "phone_number_id": NUMBER},
        **{name: list(items) for name, items in lists.items() if items},
        **more,
    }


def events(body):
    """What the records of a body say, read as strict consumers do."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = records(raw, begin("body-1", None), now=NOW)
    for record in found:
        json.loads(record.value.decode())["data"].get("raw")
        record.value.decode().encode()
    return [decode(received, record.value) for record in found]


def of_kind(found, kind):
    return [event for event in found if event.type == kind]


FULL = body_of(
    value_of(
        messages=[
            message(
                from_user_id="US.ADA",
                from_parent_user_id="US.P",
                group_id="G1",
                errors=[{"code": 1}],
                context={"id": "c"},
            ),
        ],
        statuses=[
            status(
                recipient_user_id="US.ADA",
                recipient_parent_user_id="US.P",
                recipient_type="individual",
                recipient_participant_id=ADA,
                recipient_participant_user_id="US.ADA",
                biz_opaque_callback_data="x",
                errors=[{"code": 131026, "title": "t", "error_data": {"details": "d"}}],
                pricing={"billable": True},
            )
        ],
        errors=[],
    ),
    time=1793525400,
)
NEIGHBOUR = {
    "id": "100000000000001",
    "changes": [{"field": "messages", "value": value_of(messages=[message("GOOD")], statuses=[status("GOOD")])}],
}
ANY = [None, True, 0, 17, -3, 1.5, 1e30, "", "x", "17", [], [17], [{}], {}, {"a": 1}, "\u00e9"]


def paths(node, path=()):
    """Every place in a JSON value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in inner:
        yield (*path, step)
        yield from paths(value, (*path, step))


def with_value(body, path, value):
    changed = copy.deepcopy(body)
    node = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return changed


IN_MESSAGE = ("entry", 0, "changes", 0, "value", "messages", 0)
IN_STATUS = ("entry", 0, "changes", 0, "value", "statuses", 0)
NEEDED = {  # without these nothing says that it is a message or a status, or which
    (),
    ("entry",),
    ("entry", 0),
    ("entry", 0, "changes"),
    ("entry", 0, "changes", 0),
    ("entry", 0, "changes", 0, "field"),
    ("entry", 0, "changes", 0, "value"),
    ("entry", 0, "changes", 0, "value", "metadata", "phone_number_id"),  # of an odd one nothing is taken
}


@pytest.mark.parametrize("path", list(paths(FULL)), ids=lambda path: ".".join(map(str, path)))
def test_any_value_in_any_place_hides_no_neighbour(path):
    for odd in ANY:
        body = with_value(FULL, path, odd)
        if path != ("entry",):
            body["entry"].append(NEIGHBOUR)
        found = events(body)
        kinds = {(event.type, event.data.wamid) for event in found}
        if path != ("entry",):
            assert {(webhooks.MESSAGE, "wamid.GOOD"), (webhooks.STATUS, "wamid.GOOD")} <= kinds
        if path in NEEDED:
            continue
        if path[:6] != IN_MESSAGE[:6] or path[7:] not in ((), ("id",)):
            assert (webhooks.MESSAGE, "wamid.1") in kinds, odd
        if path[:6] != IN_STATUS[:6] or path[7:] not in ((), ("id",), ("status",)):
            assert (webhooks.STATUS, "wamid.S") in kinds, odd
        kept = b"".join(original_of(event.data) for event in found)
        if path[5:6] in (("messages",), ("statuses",)) and len(path) > 6:
            assert json.dumps(odd).encode() in kept or odd in (None, [])
        assert all(event.data.reason for event in of_kind(found, webhooks.UNPARSED))


NAMED = {
    "entry.time as text": (lambda b: b["entry"][0].update(time="1793525400"), {"entry_time": 1793525400}),
    "entry.time as a fraction": (lambda b: b["entry"][0].update(time=1793525400.7), {"entry_time": 1793525400}),
    "entry.id as a number": (lambda b: b["entry"][0].update(id=1), {"account_id": "1"}),
    "metadata as numbers": (
        lambda b: value_in(b).update(metadata={"phone_number_id": 2, "display_phone_number": 15550000001}),
        {"phone_number_id": "2", "display_phone_number": "15550000001"},
    ),
    "contacts as an object": (lambda b: value_in(b).update(contacts=value_in(b)["contacts"][0]), {}),
    "errors as an object": (lambda b: value_in(b).update(errors={"code": 1}), {}),
    "a type of null": (lambda b: value_in(b)["messages"][0].update(type=None), {}),
    "an id as a number": (lambda b: value_in(b)["messages"][0].update(id=5), {"wamid": "5"}),
    "messages as an object": (lambda b: value_in(b).update(messages=value_in(b)["messages"][0]), {"wamid": "wamid.1"}),
    "a time as a list": (lambda b: value_in(b)["messages"][0].update(timestamp=[]), {}),
    "no field": (lambda b: b["entry"][0]["changes"][0].pop("field"), {"field": "messages"}),
    "an entry as an object": (lambda b: b.update(entry=b["entry"][0]), {}),
    "changes as an object": (lambda b: b["entry"][0].update(changes=b["entry"][0]["changes"][0]), {}),
}


def value_in(body):
    return body["entry"][0]["changes"][0]["value"]


@pytest.mark.parametrize(("change", "expected"), NAMED.values(), ids=NAMED)
def test_a_value_of_another_type_is_understood(change, expected):
    body = body_of(value_of(messages=[message()]))
    change(body)
    found = events(body)
    (event,) = of_kind(found, webhooks.MESSAGE)
    assert not of_kind(found, webhooks.UNPARSED)
    assert (event.data.contact.wa_id, event.data.contact.user_id, event.data.contact.name) == (ADA, "US.ADA", "Ada")
    assert {name: getattr(event.data, name) for name in expected} == expected


@pytest.mark.parametrize("number", [15551230001, 15551230001.0, "15551230001"])
def test_a_person_given_as_a_number_is_the_person_of_its_digits(number):
    body = body_of(
        value_of(contacts=(), messages=[message(**{"from": number})], statuses=[status(recipient_id=number)])
    )
    assert [event.data.contact.wa_id for event in events(body)] == [ADA, ADA]


ODD_FIELDS = [
    b"17",
    b"1.5",
    b'""',
    b'" "',
    b'"Messages"',
    b'" messages"',
    b'"messages "',
    b'"mess\\ud83d"',
    b'"mess\xff"',
]
ODD_FIELDS += [b'"17"', b'"\\u0000"', b'"' + b"x" * 300 + b'"', b"null", b"[]", b'{"a":1}']


@pytest.mark.parametrize("field", ODD_FIELDS)
@pytest.mark.parametrize("lists", [{"messages": [message()]}, {"statuses": [status()]}], ids=["messages", "statuses"])
@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
def test_a_field_that_is_no_word_hides_no_message(field, lists, padding):
    body = json.dumps(body_of(value_of(**lists))).encode().replace(b'"field": "messages"', b'"field": ' + field)
    event, *rest = events(body + b" " * padding)
    assert event.type in (webhooks.MESSAGE, webhooks.STATUS)
    assert (event.data.field, event.data.phone_number_id, event.data.contact.user_id) == ("messages", NUMBER, "US.ADA")
    kept = [(event.type, original_of(event.data)) for event in rest]
    assert kept == ([] if field == b"null" else [(webhooks.CHANGE, b'[{"field":' + field + b"}]")])


@pytest.mark.parametrize("field", ["flows", "message_echoes", "history", "messages2"])
def test_a_field_that_is_a_word_is_another_one_whatever_its_value(field):
    (event,) = events(body_of(value_of(messages=[message()]), field=field))
    assert (event.type, event.data.field) == (webhooks.CHANGE, field)


@pytest.mark.parametrize("value", [{}, {"messages": [message()]}, {"metadata": {"phone_number_id": NUMBER}}, [], 1])
@pytest.mark.parametrize("field", [17, "Flows", ""])
def test_a_field_that_is_no_word_stays_where_its_value_is_not_one_of_messages(field, value):
    (event,) = events(body_of(value, field=field))
    assert (event.type, event.data.field) == (webhooks.CHANGE, str(field))


# --- what stands beside the facts


LONG_ID = "9" * 300
FLOWS = {"field": "flows", "value": {"a": 1}}
BESIDE = {
    "a long id of an entry": (lambda b: b["entry"][0].update(id=LONG_ID), [{"id": LONG_ID}]),
    "an id of an entry that is none": (lambda b: b["entry"][0].update(id=["1"]), [{"id": ["1"]}]),
    "a time of an entry that is none": (
        lambda b: b["entry"][0].update(time="soon"),
        [{"id": "100000000000001", "time": "soon"}],
    ),
    "a new member of an entry": (lambda b: b["entry"][0].update(new=[1]), [{"id": "100000000000001", "new": [1]}]),
    "a new member of a change": (
        lambda b: b["entry"][0]["changes"][0].update(new={"calls": []}),
        [{"field": "messages", "new": {"calls": []}}],
    ),
    "a new member of a change of another field": (
        lambda b: b["entry"][0].update(changes=[FLOWS | {"new": 1}]),
        [{"field": "flows", "new": 1}],
    ),
    "a long field": (lambda b: b["entry"][0]["changes"][0].update(field=LONG_ID), [{"field": LONG_ID}]),
    "a new member of the body": (
        lambda b: b.update(new="x"),
        [{"object": "whatsapp_business_account", "new": "x"}],
    ),
    "a large one": (lambda b: b.update(new="x" * 20_000), None),
    "one at each level": (
        lambda b: (b.update(new=1), b["entry"][0].update(new=2), b["entry"][0]["changes"][0].update(new=3)),
        [
            {"field": "messages", "new": 3},
            {"id": "100000000000001", "new": 2},
            {"object": "whatsapp_business_account", "new": 1},
        ],
    ),
}


@pytest.mark.parametrize(("change", "expected"), BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
def test_what_stands_beside_the_facts_is_kept_in_one_record(change, expected, padding):
    body = {"object": "whatsapp_business_account"} | body_of(value_of(messages=[message()]))
    change(body)
    first, rest = events(json.dumps(body).encode() + b" " * padding)
    assert first.type == (webhooks.MESSAGE if "flows" not in json.dumps(body) else webhooks.CHANGE)
    assert (rest.type, rest.data.field, rest.data.phone_number_id) == (webhooks.CHANGE, None, None)
    assert rest.data.arrival.body_id == first.data.arrival.body_id
    assert json.loads(original_of(rest.data)) == ([body] if expected is None else expected)


def test_a_torn_text_beside_the_facts_is_kept_as_it_came():
    fact = b'"changes":[{"field":"messages","value":{"messages":[{"id":"w"}]}}]'
    for torn in (rb"\ud83d", b"\xff"):
        _, rest = events(b'{"entry":[{"new":"A%s",%s}]}' % (torn, fact))
        assert original_of(rest.data) == b'[{"new":"A%s"}]' % torn
        assert json.loads(bytes(rest.data.raw)) == [{"new": "A\ufffd"}]


@pytest.mark.parametrize("torn", [rb"\ud83d", b"\xff"], ids=repr)
def test_a_new_member_whose_name_is_torn_hides_no_message(torn):
    value = b'{"%s":1,"messages":[{"id":"w"}]}' % torn
    first, rest = events(b'{"entry":[{"changes":[{"field":"messages","value":%s}]}]}' % value)
    assert (first.type, rest.type, original_of(rest.data)) == (webhooks.MESSAGE, webhooks.CHANGE, value)


# --- texts that are no Unicode

LONE = [
    rb"\ud83d",
    rb"\udc00",
    rb"\ude00\ud83d",
    rb"\ud83d\ud83d\ude00",
    rb"\\\ud83d\\",
    rb"\uD83Dx\uDFFFy",
    rb"a\ud83d\n",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"\xfe\xff\\ud83d",
    rb"\ud83d\\ude00",
]
TORN_PLACES = {
    "a text": lambda t: b'{"id":"wamid.X","from":"1","text":{"body":"Hi %s"}}' % t,
    "a key": lambda t: b'{"id":"wamid.X","from":"1","%s":1}' % t,
    "its type": lambda t: b'{"id":"wamid.X","from":"1","type":"%s"}' % t,
    "a deep part": lambda t: b'{"id":"wamid.X","from":"1","a":[[{"b":"%s"}]]}' % t,
    "its sender": lambda t: b'{"id":"wamid.X","from":"%s"}' % t,
}


@pytest.mark.parametrize("torn", LONE, ids=repr)
@pytest.mark.parametrize("place", TORN_PLACES.values(), ids=TORN_PLACES)
@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
async def test_a_torn_text_harms_no_message_and_its_bytes_are_kept(torn, place, padding):
    broken = place(torn)
    good = [json.dumps(message(str(n))).encode() for n in range(199)]
    messages = b",".join([*good[:100], broken, *good[100:]])
    body = (
        b'{"entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"messages":[%s]}}]}]}'
    )
    body = body % messages + b" " * padding
    found = records(body, begin("body-1", None), now=NOW)
    read = [decode(received, record.value) for record in found]
    assert len(of_kind(read, webhooks.MESSAGE)) == len(read) == 200
    hurt = read[100]
    assert (hurt.data.wamid, original_of(hurt.data)) == ("wamid.X", broken)
    assert "\ufffd" in str(json.loads(bytes(hurt.data.raw)))
    json.dumps(json.loads(bytes(hurt.data.raw)), ensure_ascii=False).encode()
    assert all(event.data.raw_base64 is None for event in read if event is not hurt)
    in_slices = await records_in_slices(body, begin("body-1", None), now=NOW)
    assert [record.value for record in in_slices] == [record.value for record in found]


@pytest.mark.parametrize("torn", LONE, ids=repr)
@pytest.mark.parametrize(
    "make",
    [
        lambda v, t: b'{"x":"%s","entry":[{"changes":[{"field":"messages","value":%s}]}]}' % (t, v),
        lambda v, t: b'{"entry":[{"%s":1,"changes":[{"field":"messages","value":%s}]}]}' % (t, v),
        lambda v, t: b'{"entry":[{"id":"%s","changes":[{"field":"messages","value":%s}]}]}' % (t, v),
        lambda v, t: b'{"entry":[{"changes":[{"x":["%s"],"field":"messages","value":%s}]}]}' % (t, v),
        lambda v, t: b'{"entry":[{"changes":[{"field":"%s","value":{}},{"field":"messages","value":%s}]}]}' % (t, v),
        lambda v, t: (
            b'{"entry":[{"changes":[{"field":"flows","value":{"a":"%s"}},{"field":"messages","value":%s}]}]}' % (t, v)
        ),
        lambda v, t: (
            b'{"entry":[{"changes":[{"field":"messages","value":%s}]}]}'
            % (v[:-1] + b',"contacts":[{"wa_id":"15551230001","profile":{"name":"Ada %s"}}]}' % t)
        ),
        lambda v, t: (
            b'{"entry":[{"changes":[{"field":"messages","value":%s}]}]}'
            % (v[:-1] + b',"statuses":[{"id":"s","status":"failed","errors":[{"code":1,"title":"%s"}]}]}' % t)
        ),
        lambda v, t: b'{"entry":[{"changes":[{"field":"messages","value":%s}]}]}' % (v[:-1] + b',"x":{"%s":1}}' % t),
    ],
    ids=["body", "entry key", "entry id", "change", "field", "another change", "name", "status error", "value"],
)
def test_a_torn_text_elsewhere_harms_no_message(make, torn):
    found = events(make(b'{"messages":[%s]}' % json.dumps(message()).encode(), torn))
    (event,) = of_kind(found, webhooks.MESSAGE)
    assert (event.data.wamid, event.data.contact.wa_id) == ("wamid.1", ADA)
    assert not of_kind(found, webhooks.UNPARSED)


def test_a_torn_profile_name_is_shown_with_a_replacement_and_kept():
    name = rb'{"metadata":{"phone_number_id":"2"},"contacts":[{"wa_id":"1","profile":{"name":"A\ud83d"}}]'
    value = name + b',"messages":[{"id":"w","from":"1"}]}'
    first, rest = events(b'{"entry":[{"changes":[{"field":"messages","value":%s}]}]}' % value)
    assert first.data.contact.name == "A\ufffd"
    assert (rest.type, original_of(rest.data)) == (webhooks.CHANGE, value)


@given(st.lists(st.sampled_from([*LONE, rb"\\", rb"\n", b"x", rb"\u0041", rb"\ud83d\ude00"]), max_size=6))
def test_whatever_a_text_is_made_of_it_is_kept_to_the_byte(pieces):
    broken = b'{"id":"wamid.X","text":{"body":"' + b"".join(pieces) + b'"}}'
    body = b'{"entry":[{"changes":[{"field":"messages","value":{"messages":[%s]}}]}]}' % broken
    (event,) = events(body)
    assert (event.type, original_of(event.data)) == (webhooks.MESSAGE, broken)


def test_a_torn_text_that_is_too_large_to_be_kept_twice_is_kept_once():
    broken = b'{"id":"w","x":"%s\\ud83d"}' % (b"y" * 1_200_000)
    good = json.dumps(message()).encode()
    body = b'{"entry":[{"changes":[{"field":"messages","value":{"messages":[%s,%s]}}]}]}' % (broken, good)
    lost, kept = events(body)
    assert (lost.type, base64.b64decode(lost.data.raw_base64)) == (webhooks.UNPARSED, broken)
    assert kept.data.wamid == "wamid.1"


# --- values beside messages and statuses

BESIDE = {
    "an identity hash": lambda v: v["contacts"][0].update(identity_key_hash="hash"),
    "calls": lambda v: v.update(calls=[{"id": "wacid.1"}]),
    "echoes": lambda v: v.update(message_echoes=[{"id": "wamid.E"}]),
    "an unknown list": lambda v: v.update(anything=[1]),
    "an unknown object": lambda v: v.update(group={"id": "g"}),
    "more of a profile": lambda v: v["contacts"][0]["profile"].update(country_code="DE"),
    "more of the number": lambda v: v["metadata"].update(verified=True),
    "errors": lambda v: v.update(errors=[{"code": 1}]),
    "errors that are a text": lambda v: v.update(errors="bad"),
    "contacts that are a text": lambda v: v.update(contacts="bad"),
}


@pytest.mark.parametrize("add", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("lists", [{"messages": [message()]}, {"statuses": [status()]}], ids=["messages", "statuses"])
def test_what_stands_beside_messages_and_statuses_is_kept(add, lists):
    value = value_of(**lists)
    add(value)
    first, rest = events(body_of(value))
    assert first.type in (webhooks.MESSAGE, webhooks.STATUS)
    assert (rest.type, rest.data.phone_number_id, rest.data.field) == (webhooks.CHANGE, NUMBER, "messages")
    assert json.loads(bytes(rest.data.raw)) == value


def test_a_usual_value_has_no_record_of_its_own():
    assert len(events(body_of(value_of(messages=[message()], statuses=[status()])))) == 2


# --- identity that only `contacts` gives


def test_a_message_without_a_sender_belongs_to_the_only_contact():
    found = events(body_of(value_of(messages=[{"id": "w", "type": "contacts"}])))
    (event,) = found
    assert (event.data.contact.user_id, event.data.contact.wa_id, event.data.contact.name) == ("US.ADA", ADA, "Ada")
    (record,) = records(json.dumps(body_of(value_of(messages=[{"id": "w"}]))).encode(), begin("b", None), now=NOW)
    assert record.key == f"{NUMBER}:u:US.ADA"


@pytest.mark.parametrize("sender", [None, "", [], {}, True])
def test_a_sender_that_is_none_is_the_only_contact(sender):
    (event,) = events(body_of(value_of(messages=[message(**{"from": sender})])))
    assert event.data.contact.wa_id == ADA


def test_of_two_contacts_none_is_guessed_but_the_same_twice_is_one():
    two = [{"wa_id": "1"}, {"wa_id": "2"}]
    (event,) = events(body_of(value_of(contacts=two, messages=[{"id": "w"}])))
    assert event.data.contact.aliases() == ()
    (event,) = events(body_of(value_of(contacts=[two[0], two[0], {"profile": {}}], messages=[{"id": "w"}])))
    assert event.data.contact.wa_id == "1"


def test_a_status_without_a_recipient_is_about_the_only_contact():
    bare = {"id": "w", "status": "delivered"}
    (event,) = events(body_of(value_of(statuses=[bare])))
    assert event.data.contact.user_id == "US.ADA"


SYSTEM = {
    "a changed user id": (
        {"type": "user_changed_user_id", "user_id": "US.NEW", "previous_user_id": "US.OLD"},
        "u:US.NEW",
    ),
    "a changed number": ({"type": "user_changed_number", "wa_id": "15550001111"}, "p:15550001111"),
    "a changed number, older form": ({"type": "user_changed_number", "new_wa_id": "15550001111"}, "p:15550001111"),
    "a changed identity": ({"type": "customer_identity_changed", "customer": "15550001111"}, "p:15550001111"),
    "a number as number": ({"type": "user_changed_number", "wa_id": 15550001111}, "p:15550001111"),
}


@pytest.mark.parametrize(("system", "alias"), SYSTEM.values(), ids=SYSTEM)
def test_a_system_message_without_a_sender_names_the_person_itself(system, alias):
    told = {"id": "w", "type": "system", "system": {"body": "changed", **system}}
    (event,) = events(body_of(value_of(contacts=(), messages=[told])))
    assert event.data.contact.aliases()[0] == alias


# --- ids


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
def test_fragments_whose_id_is_blank_are_kept_and_none_is_taken_as_a_repetition(blank, padding):
    messages = [message(id=blank, text={"body": "first"}), message(id=blank, text={"body": "second"}), message()]
    statuses = [status(id=blank), status(word=blank), status()]
    body = json.dumps(body_of(value_of(messages=messages, statuses=statuses))).encode() + b" " * padding
    found = events(body)
    parts = [json.loads(original_of(event.data)) for event in of_kind(found, webhooks.UNPARSED)]
    assert parts == [*messages[:2], *statuses[:2]]
    assert len({event.id for event in found}) == len(found) == 6


def test_the_same_wamid_on_two_numbers_is_two_facts():
    bodies = [body_of(value_of(messages=[message()], statuses=[status("1")])) for _ in range(2)]
    value_in(bodies[1])["metadata"]["phone_number_id"] = "9"
    assert len({event.id for body in bodies for event in events(body)}) == 4


def test_two_failures_of_one_message_are_two_facts_and_a_repetition_is_none():
    def failed(*codes):
        return status(word="failed", errors=[{"code": code} for code in codes])

    given = [failed(131026), failed(131047), failed("131026"), failed(131026, 1), status(word="failed")]
    ids = [event.id for event in events(body_of(value_of(statuses=given)))]
    assert len(set(ids)) == 4
    assert ids[0] == ids[2]
