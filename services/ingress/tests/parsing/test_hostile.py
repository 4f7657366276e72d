"""Signed bodies of up to 3 MB that mean harm: nothing is refused, no byte is lost, and nothing costs much."""

import asyncio
import base64
import time
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.contracts import webhooks
from common.contracts.envelope import decode, decoder
from common.contracts.topics import WEBHOOKS
from common.meta.contacts import LONGEST_ID, LONGEST_NAME
from ingress.parsing.core import cut, facts_of
from ingress.parsing.shapes import MAX_FACTS, LimitExceeded
from ingress.records import BODY_TIMES, BROKEN_TEXT_BYTES, BYTES_AROUND, records, records_in_slices
from ingress.routes import MAX_BODY_BYTES
from ingress.telemetry import begin

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
received = decoder(webhooks.WebhookReceived)

MESSAGE = b'{"id":"w","from":"1"}'
CONTACT = b'{"wa_id":"1","profile":{"name":"A"}}'


def body_of(entry):
    return b'{"object":"whatsapp_business_account","entry":[' + entry + b"]}"


def entry_of(change, before=b'"id":"100000000000001"'):
    return b"{" + before + b',"changes":[' + change + b"]}"


def change_of(value, field=b"messages"):
    return b'{"field":"' + field + b'","value":{' + value + b"}}"


def value_of(messages, more=b"", number=b"200000000000001"):
    return b'"metadata":{"phone_number_id":"' + number + b'"},"messages":[' + messages + b"]" + more


def in_value(messages, more=b"", number=b"200000000000001"):
    return body_of(entry_of(change_of(value_of(messages, more, number))))


def full_of(part, make, size=MAX_BODY_BYTES):
    """As many `part`s as fit, where `make` puts them."""
    count = (size - len(make(part))) // (len(part) + 1)
    return make(part + (b"," + part) * count)


def times(part, count):
    return b",".join([part] * count)


LONG = b"x" * 1_000_000
MEGABYTES_3 = 3_000_000
CHANGES_OF_ONE = b'"changes":[{"field":"messages","value":{"messages":[{"id":"w"}]}}]'
TORN = rb',{"id":"w","x":"\ud83d"}'

# A whole body is one fact that is not understood; its reason has these words.
WHOLE = {
    "entries of nothing": (full_of(b"{}", body_of), "more than"),
    "entries of numbers": (full_of(b"1", body_of), "more than"),
    "entries without changes": (full_of(b'{"changes":[]}', body_of), "more than"),
    "entries with one message each": (full_of(entry_of(change_of(value_of(MESSAGE))), body_of), "more than"),
    "changes of nothing": (full_of(b"{}", lambda p: body_of(entry_of(p))), "more than"),
    "changes of numbers": (full_of(b"1", lambda p: body_of(entry_of(p))), "more than"),
    "changes without messages": (full_of(change_of(b""), lambda p: body_of(entry_of(p))), "more than"),
    "changes of another field": (full_of(change_of(b"", b"flows"), lambda p: body_of(entry_of(p))), "more than"),
    "messages of numbers": (full_of(b"1", in_value), "more than"),
    "messages of nothing": (full_of(b"{}", in_value), "more than"),
    "messages": (full_of(MESSAGE, in_value), "more than"),
    "statuses": (
        full_of(b'{"id":"w","status":"sent"}', lambda p: in_value(MESSAGE, b',"statuses":[' + p + b"]")),
        "more",
    ),
    "contacts beside a message": (full_of(b"{}", lambda p: in_value(MESSAGE, b',"contacts":[' + p + b"]")), "more"),
    "contacts beside messages": (
        full_of(b'{"wa_id":"2"}', lambda p: in_value(times(MESSAGE, 1_000), b',"contacts":[' + p + b"]")),
        "more than",
    ),
    "contacts alone": (full_of(CONTACT, lambda p: in_value(b"", b',"contacts":[' + p + b"]")), "more than"),
    "errors": (full_of(b'{"code":1}', lambda p: in_value(MESSAGE, b',"errors":[' + p + b"]")), "more than"),
    "a little more than the limit": (in_value(times(MESSAGE, 2_001)), "more than"),
    "two lists that are more together": (
        in_value(times(MESSAGE, 1_001), b',"statuses":[' + times(b"1", 1_000) + b"]"),
        "more than",
    ),
    "small entries, more than the limit": (body_of(times(b"1", 2_001)), "more than"),
    "ids that are all long": (
        body_of(
            entry_of(
                change_of(value_of(times(MESSAGE, 2_000), number=b"9" * 256), b"messages"),
                b'"id":"%s"' % (b"\\u0001" * 256),
            )
        ),
        "many times as long",
    ),
    "deep": (b"[" * MEGABYTES_3, ""),
    "deep and closed": (b'{"entry":' * 300_000 + b"1" + b"}" * 300_000, "while deserializing an object"),
    "a huge number": (b"9" * MEGABYTES_3, ""),
    "a string": (b'"' + b"\\u2028" * 500_000 + b'"', ""),
    "no JSON": (b"\xff" * MAX_BODY_BYTES, ""),
    "spaces": (b" " * MAX_BODY_BYTES, ""),
    "entry again and again": (full_of(b'"entry":[]', lambda p: b"{" + p + b"}"), "no entry"),
    "keys again and again": (full_of(b'"a":1', lambda p: b"{" + p + b"}"), "entry"),
}

# How many facts a body has that is not beyond a limit.
PARTS = {
    "as many as Meta sends": (in_value(times(MESSAGE, 1_000)), 1_000),
    "as many as are taken": (in_value(times(MESSAGE, 2_000)), 2_000),
    "contacts of all messages": (
        in_value(times(b'{"id":"w","from":"2"}', 2_000), b',"contacts":[' + times(CONTACT, 2_000) + b"]"),
        2_000,
    ),
    "a small body of many contacts": (
        in_value(times(b'{"id":"w","from":"2"}', 300), b',"contacts":[' + times(b'{"wa_id":"3"}', 600) + b"]"),
        300,
    ),
    "one change of another field": (
        full_of(b"{}", lambda p: body_of(entry_of(b'{"field":"flows","value":[' + p + b"]}"))),
        1,
    ),
    "one message of many parts": (full_of(b"1", lambda p: in_value(b'{"id":"w","x":[' + p + b"]}")), 1),
    "one message of many keys": (full_of(b'"a":1', lambda p: in_value(b'{"id":"w",' + p + b"}")), 1),
    "one message, one id again and again": (full_of(b'"id":"w"', lambda p: in_value(b"{" + p + b"}")), 1),
    "one message of a deep part": (in_value(b'{"id":"w","x":' + b"[" * 700 + b"]" * 700 + b"}"), 1),
    "one message with a huge time": (in_value(b'{"id":"w","timestamp":' + b"9" * MEGABYTES_3 + b"}"), 1),
    "messages with huge times": (in_value(times(b'{"id":"w","timestamp":' + b"9" * 4_300 + b"}", 600)), 600),
    "messages that are none, each large": (in_value(times(b'{"x":"' + b"y" * 1_400 + b'"}', 2_000)), 2_000),
    "messages that are no text": (in_value(times(b'{"id":"w","x":"' + b"\xff" * 1_400 + b'"}', 2_000)), 2_000),
    "messages of torn texts": (in_value(times(b'{"id":"w","x":"' + rb"\ud83d" * 200 + b'"}', 2_000)), 2_000),
    "messages of escapes, one torn": (
        in_value(times(b'{"id":"w","x":"' + rb"\\\n" * 300 + b'"}', 1_999) + TORN),
        2_000,
    ),
    "a torn text of a megabyte": (in_value(b'{"id":"w","x":"' + rb"\udc00" * 170_000 + b'"}'), 1),
    "a torn text of three": (in_value(b'{"id":"w","x":"' + rb"\udc00" * 500_000 + b'"}'), 1),
    "bytes that are marks": (in_value(b'{"id":"w","x":"' + b"\xfe\xff" * 400_000 + rb"\udc00" + b'"}'), 1),
    "a message and errors": (
        in_value(b'{"id":"w","x":"' + b"y" * MEGABYTES_3 + b'"}', b',"errors":[{"code":1}]'),
        2,
    ),
    "entries of a huge time": (body_of(times(b'{"time":%s,"changes":[1]}' % (b"9" * 1_400), 1_999)), 2_000),
    "an entry of an endless time": (body_of(b'{"time":1e400,"changes":[1]}'), 2),
    "an entry of many keys": (full_of(b'"a":1', lambda p: body_of(b"{%s,%s}" % (p, CHANGES_OF_ONE))), 2),
    "a change of many keys": (
        full_of(b'"a":1', lambda p: body_of(entry_of(b'{%s,"field":"flows","value":{}}' % p))),
        2,
    ),
    "a body of many keys": (full_of(b'"a":1', lambda p: b'{%s,"entry":[{%s}]}' % (p, CHANGES_OF_ONE)), 2),
    "entries of a key each": (body_of(times(b'{"x":1,%s}' % CHANGES_OF_ONE, 1_999)), 2_000),
    "a long account": (body_of(entry_of(change_of(value_of(times(MESSAGE, 1_000))), b'"id":"%s"' % LONG)), 1_001),
    "a long number": (in_value(times(MESSAGE, 1_000), number=LONG), 1_001),
    "a long display number": (
        in_value(times(MESSAGE, 1_000), b',"metadata":{"display_phone_number":"%s"}' % LONG),
        1_001,
    ),
    "a long field": (body_of(entry_of(change_of(b"", LONG))), 1),
    "a long wamid": (in_value(MESSAGE + b',{"id":"%s"}' % LONG), 2),
    "a long sender": (in_value(MESSAGE + b',{"id":"w","from":"%s"}' % LONG), 2),
    "a long user id of a contact": (
        in_value(times(MESSAGE, 1_000), b',"contacts":[{"wa_id":"1","user_id":"%s"}]' % LONG),
        1_001,
    ),
    "a long name": (
        in_value(times(MESSAGE, 1_000), b',"contacts":[{"wa_id":"1","profile":{"name":"%s"}}]' % LONG),
        1_001,
    ),
    "a small body with a long account": (
        body_of(entry_of(change_of(value_of(MESSAGE)), b'"id":"%s"' % (b"1" * 257))),
        2,
    ),
    "names of which many are long": (
        in_value(
            times(MESSAGE, 2_000), b',"contacts":[{"wa_id":"1","profile":{"name":"%s"}}]' % ("\u2028" * 1_000).encode()
        ),
        2_000,
    ),
    "messages again and again": (full_of(b'"messages":[1]', lambda p: body_of(entry_of(change_of(p)))), 1),
}


def written(body):
    """The events of a body's records, after some rules that hold for every body."""
    found = records(body, begin("body-1", None), now=NOW)
    assert 1 <= len(found) <= MAX_FACTS
    most = (
        BODY_TIMES * len(body)
        + BYTES_AROUND * len(found)
        + (BROKEN_TEXT_BYTES if b"\\ud" in body or b"\xff" in body else 0)
    )
    assert sum(len(record.value) for record in found) <= most
    for record in found:
        assert len(record.value) + len(record.key.encode()) <= WEBHOOKS.max_value_bytes
    return [decode(received, record.value) for record in found]


def kept(data):
    return bytes(data.raw) if data.raw_base64 is None else base64.b64decode(data.raw_base64)


def is_of(event, body):
    """Whether all that is kept stands in the body; of what is beside the facts each value by itself."""
    part = kept(event.data)
    if event.type != webhooks.CHANGE or not part.startswith(b"[{"):
        return part in body
    rests = msgspec.json.decode(part, type=list[msgspec.Raw])
    members = msgspec.json.Decoder(dict[str, msgspec.Raw])
    return all(
        bytes(rest) in body or all(bytes(value) in body for value in members.decode(rest).values()) for rest in rests
    )


@pytest.mark.parametrize(("body", "reason"), WHOLE.values(), ids=WHOLE)
def test_a_body_beyond_a_limit_is_one_fact_with_all_its_bytes(body, reason):
    assert len(body) <= MAX_BODY_BYTES
    (event,) = written(body)
    assert event.type == webhooks.UNPARSED
    assert kept(event.data) == body
    assert reason in event.data.reason
    assert (event.data.account_id, event.data.phone_number_id, event.data.field) == (None, None, None)


@pytest.mark.parametrize(("body", "count"), PARTS.values(), ids=PARTS)
def test_a_body_within_the_limits_is_cut(body, count):
    assert len(body) <= MAX_BODY_BYTES
    events = written(body)
    assert len(events) == count
    assert all(is_of(event, body) for event in events)


async def longest_wait(work):
    """The longest time in which nothing else had a turn, in seconds of this process's CPU."""
    waits, done = [], False

    async def neighbour():
        last = time.process_time()
        while not done:
            await asyncio.sleep(0)
            waits.append(time.process_time() - last)
            last += waits[-1]

    beside = asyncio.create_task(neighbour())
    await asyncio.sleep(0)
    await work
    done = True
    await beside
    return max(waits)


@pytest.mark.parametrize("body", [*(body for body, _ in (WHOLE | PARTS).values())], ids=[*WHOLE, *PARTS])
async def test_others_have_their_turn_while_a_body_is_worked_on(body):
    wait = await longest_wait(records_in_slices(body, begin("body-1", None), now=NOW))
    assert wait < 1.0  # 35 ms at most on an idle machine, and this may be a busy one; 6 s before there were limits


def cpu_of(body):
    def once():
        began = time.process_time()
        cut(body, body_id="body-1", now=NOW)
        return time.process_time() - began

    return min(once() for _ in range(3))


@pytest.mark.parametrize(
    "make",
    [
        lambda count: in_value(times(b'{"id":"w","from":"2"}', count), b',"contacts":[' + times(CONTACT, count) + b"]"),
        lambda count: in_value(times(MESSAGE, count)),
        lambda count: body_of(times(entry_of(change_of(value_of(MESSAGE))), count)),
        lambda count: body_of(entry_of(times(change_of(b"", b"flows"), count))),
        lambda count: body_of(times(b"1", count)),
    ],
    ids=["contacts and messages", "messages", "entries", "changes", "numbers"],
)
def test_work_grows_with_the_body_and_not_with_its_square(make):
    small, large = cpu_of(make(400)), cpu_of(make(2_000))
    assert large < 12 * small + 0.005  # five times as much is to be expected, 25 times as much is the square


async def test_in_slices_the_records_are_the_same():
    for body, _ in (WHOLE | PARTS).values():
        at_once = records(body, begin("body-1", None), now=NOW)
        in_slices = await records_in_slices(body, begin("body-1", None), now=NOW)
        assert [(r.key, r.value) for r in at_once] == [(r.key, r.value) for r in in_slices]


def test_what_is_refused_is_found_before_the_rest_is_cut():
    facts = facts_of(full_of(MESSAGE, in_value), NOW)
    with pytest.raises(LimitExceeded, match="more than 2000 items"):
        next(facts)


LIMITS = {
    "account": (LONGEST_ID, lambda text: body_of(entry_of(change_of(value_of(MESSAGE)), b'"id":"%s"' % text))),
    "number": (LONGEST_ID, lambda text: in_value(MESSAGE, number=text)),
    "field": (LONGEST_ID, lambda text: body_of(entry_of(change_of(b"", text)))),
    "wamid": (LONGEST_ID, lambda text: in_value(b'{"id":"%s"}' % text)),
    "sender": (LONGEST_ID, lambda text: in_value(b'{"id":"w","from":"%s"}' % text)),
    "sender's user id": (LONGEST_ID, lambda text: in_value(b'{"id":"w","from_user_id":"%s"}' % text)),
    "group": (LONGEST_ID, lambda text: in_value(b'{"id":"w","group_id":"%s"}' % text)),
    "contact": (LONGEST_ID, lambda text: in_value(MESSAGE, b',"contacts":[{"wa_id":"%s"}]' % text)),
    "status": (LONGEST_ID, lambda text: in_value(b"", b',"statuses":[{"id":"w","status":"%s"}]' % text)),
    "recipient": (
        LONGEST_ID,
        lambda text: in_value(b"", b',"statuses":[{"id":"w","status":"sent","recipient_id":"%s"}]' % text),
    ),
    "name": (LONGEST_NAME, lambda text: in_value(MESSAGE, b',"contacts":[{"profile":{"name":"%s"}}]' % text)),
    "username": (LONGEST_NAME, lambda text: in_value(MESSAGE, b',"contacts":[{"profile":{"username":"%s"}}]' % text)),
}


REQUIRED = {"wamid": b'{"id":"%s"}', "status": b'{"id":"w","status":"%s"}'}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("padding", [b"", b"x" * 20_000], ids=["small", "large"])
@pytest.mark.parametrize("more", [1, 44, 1_000])
def test_an_id_has_a_longest_length(name, padding, more):
    longest, make = LIMITS[name]
    (event,) = written(make(b"1" * longest).replace(b"whatsapp_business_account", padding))
    assert event.type != webhooks.UNPARSED
    text = b"1" * (longest + more)
    body = make(text).replace(b"whatsapp_business_account", padding)
    events = written(body)
    if name in REQUIRED:
        (event,) = events
        assert (event.type, kept(event.data)) == (webhooks.UNPARSED, REQUIRED[name] % text)
    elif name != "field":
        assert webhooks.UNPARSED not in {event.type for event in events}
        assert events[0].type in (webhooks.MESSAGE, webhooks.STATUS)
    for event in events:
        around = msgspec.structs.replace(event.data, raw=msgspec.Raw(b"null"))
        assert text not in msgspec.json.encode(around)
    assert any(text in kept(event.data) for event in events)


@pytest.mark.parametrize("count", [MAX_FACTS, MAX_FACTS + 1])
@pytest.mark.parametrize(
    "make",
    [
        lambda count: body_of(entry_of(times(change_of(b"", b"a"), count))),
        lambda count: body_of(times(entry_of(change_of(b"", b"a")), count)),
        lambda count: body_of(times(b"1", count)),
        lambda count: in_value(times(b"1", count)),
        lambda count: in_value(times(b"1", 1_000), b',"statuses":[' + times(b"1", count - 1_000) + b"]"),
    ],
)
def test_a_body_has_at_most_so_many_facts(make, count):
    assert len(written(make(count))) == (count if count <= MAX_FACTS else 1)


NAMES = st.sampled_from(["1", "1" * 200, "\u2028" * 250, "\0" * 250, "x" * 257, "é", "|", ":"])


@settings(max_examples=150)
@given(account=NAMES, number=NAMES, field=NAMES, wamid=NAMES, sender=NAMES, count=st.sampled_from([1, 3, 40, 700]))
def test_of_any_body_all_is_kept_and_little_added(account, number, field, wamid, sender, count):
    message = msgspec.json.encode({"id": wamid, "from": sender})
    other = msgspec.json.encode({"field": field, "value": {"metadata": {"phone_number_id": number}}})
    value = value_of(times(message, count), b',"contacts":[{"wa_id":"1"}]', msgspec.json.encode(number)[1:-1])
    body = body_of(entry_of(change_of(value) + b"," + other, b'"id":' + msgspec.json.encode(account)))
    events = written(body)
    parts = [kept(event.data) for event in events]
    if parts != [body]:
        odd = number in ("|", ":", "é") or number.startswith(("\u2028", "\0"))
        long = len(number) > LONGEST_ID  # then it counts as none, and its value is kept, too
        lost = len(account) > LONGEST_ID  # of the entry, which has no record
        assert len(parts) == (2 if odd else count + 1 + long) + lost
        assert all(is_of(event, body) for event in events)
        assert sum(map(len, parts)) >= count * len(message) + len(b"{}")


GOOD = b'{"id":"w%d","from":"15551230001"}'
ANA = b'{"wa_id":"15551230001","user_id":"US.1","profile":{"name":"Ana"}}'
LONG_ID = b"9" * 300
OVERLONG = {  # what stands beside 50 good messages; how many facts more there are, and how many are not understood
    "a name": (b"", ANA.replace(b"Ana", b"A" * 1_100), b"", 1, 0),
    "a username": (b"", ANA.replace(b'"name":"Ana"', b'"name":"Ana","username":"%s"' % (b"A" * 1_100)), b"", 1, 0),
    "a time": (b',{"id":"x","from":"15551230001","timestamp":"%s"}' % LONG_ID, ANA, b"", 1, 0),
    "a sender": (b',{"id":"x","from":"%s"}' % LONG_ID, ANA, b"", 1, 0),
    "a group": (b',{"id":"x","from":"15551230001","group_id":"%s"}' % LONG_ID, ANA, b"", 1, 0),
    "a message id": (b',{"id":"%s","from":"15551230001"}' % LONG_ID, ANA, b"", 1, 1),
    "a status": (b"", ANA, b',"statuses":[{"id":"x","status":"%s"}]' % LONG_ID, 1, 1),
    "a further contact": (b"", ANA + b',{"wa_id":"%s"}' % LONG_ID, b"", 1, 0),
    "a display number": (b"", ANA, b',"metadata":{"phone_number_id":"2","display_phone_number":"%s"}' % LONG_ID, 1, 0),
}


@pytest.mark.parametrize(("message", "contacts", "more", "others", "unparsed"), OVERLONG.values(), ids=OVERLONG)
@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
async def test_one_long_text_takes_nothing_with_it(message, contacts, more, others, unparsed, padding):
    messages = b",".join(GOOD % n for n in range(50))
    body = in_value(messages + message, b',"contacts":[' + contacts + b"]" + more) + b" " * padding
    events = written(body)
    assert len(events) == 50 + others
    assert [event.type for event in events].count(webhooks.UNPARSED) == unparsed
    for event in events[:50]:
        assert (event.type, event.data.contact.user_id) == (webhooks.MESSAGE, "US.1")
        assert event.data.contact.name in ("Ana", "A" * LONGEST_NAME)
        assert event.data.phone_number_id
    in_slices = await records_in_slices(body, begin("body-1", None), now=NOW)
    assert [decode(received, record.value) for record in in_slices] == events


@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
@pytest.mark.parametrize("letter", ["\U0001f600", "\u2028", "a"])
@pytest.mark.parametrize("count", [200, 2_000])
async def test_many_messages_of_one_long_name_are_all_understood(padding, letter, count):
    name = letter * 500
    messages = b",".join(GOOD % n for n in range(count))
    contact = ANA.replace(b"Ana", name.encode())
    body = in_value(messages, b',"contacts":[' + contact + b"]") + b" " * padding
    events = written(body)
    assert [event.data.wamid for event in events] == [f"w{n}" for n in range(count)]
    assert {event.data.contact.user_id for event in events} == {"US.1"}
    assert events[0].data.contact.name == name
    assert {event.data.contact.name for event in events} <= {name, None}
    in_slices = await records_in_slices(body, begin("body-1", None), now=NOW)
    assert [decode(received, record.value) for record in in_slices] == events


ODD = ["1|p:2", "1:p:2", "1\\r\\nx", "1\\u0000", "\uff11", " 1", "1 ", "1\\n", "1/2", "$ref"]


@pytest.mark.parametrize("number", ODD)
def test_a_number_that_could_pass_for_another_is_kept_but_named_nowhere(number):
    body = in_value(MESSAGE, number=number.encode())
    for data in (body, body + b" " * 20_000, body.replace(b'"messages","value"', b'"flows","value"')):
        (record,) = records(data, begin("body-1", None), now=NOW)
        event = decode(received, record.value)
        assert (event.data.phone_number_id, record.key) == (None, "100000000000001")
        assert number.encode() in kept(event.data)


@pytest.mark.parametrize("number", ["200000000000001", "1", "PN_1.a-b"])
def test_a_number_of_digits_or_of_plain_characters_is_one(number):
    (event,) = written(in_value(MESSAGE, number=number.encode()))
    assert (event.type, event.data.phone_number_id) == (webhooks.MESSAGE, number)
