"""Signed bodies of up to 3 MB that mean harm, each with what has to become of it: a name, a body, its facts."""

from ingress.routes import MAX_BODY_BYTES

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
    "a long account": (body_of(entry_of(change_of(value_of(times(MESSAGE, 1_000))), b'"id":"%s"' % LONG)), "too long"),
    "a long number": (in_value(times(MESSAGE, 1_000), number=LONG), "too long"),
    "a long display number": (
        in_value(times(MESSAGE, 1_000), b',"metadata":{"display_phone_number":"%s"}' % LONG),
        "too long",
    ),
    "a long field": (body_of(entry_of(change_of(b"", LONG))), "too long"),
    "a long wamid": (in_value(MESSAGE + b',{"id":"%s"}' % LONG), "too long"),
    "a long sender": (in_value(MESSAGE + b',{"id":"w","from":"%s"}' % LONG), "too long"),
    "a long user id of a contact": (
        in_value(times(MESSAGE, 1_000), b',"contacts":[{"wa_id":"1","user_id":"%s"}]' % LONG),
        "too long",
    ),
    "a long name": (
        in_value(times(MESSAGE, 1_000), b',"contacts":[{"wa_id":"1","profile":{"name":"%s"}}]' % LONG),
        "too long",
    ),
    "a small body with a long account": (
        body_of(entry_of(change_of(value_of(MESSAGE)), b'"id":"%s"' % (b"1" * 257))),
        "too long",
    ),
    "names of which many are long": (
        in_value(
            times(MESSAGE, 2_000), b',"contacts":[{"wa_id":"1","profile":{"name":"%s"}}]' % ("\u2028" * 1_000).encode()
        ),
        "many times as long",
    ),
    "ids that are all long": (
        body_of(
            entry_of(
                change_of(value_of(times(MESSAGE, 2_000), number=b"9" * 256), b"messages"),
                b'"id":"%s"' % (b"\\u0001" * 256),
            )
        ),
        "many times as long",
    ),
    "deep": (b"[" * MEGABYTES_3, "recursion"),
    "deep and closed": (b'{"entry":' * 300_000 + b"1" + b"}" * 300_000, "recursion"),
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
    "a message and errors": (
        in_value(b'{"id":"w","x":"' + b"y" * MEGABYTES_3 + b'"}', b',"errors":[{"code":1}]'),
        2,
    ),
    "entries of a huge time": (body_of(times(b'{"time":%s,"changes":[1]}' % (b"9" * 1_400), 2_000)), 2_000),
    "an entry of an endless time": (body_of(b'{"time":1e400,"changes":[1]}'), 1),
    "messages again and again": (full_of(b'"messages":[1]', lambda p: body_of(entry_of(change_of(p)))), 1),
}
