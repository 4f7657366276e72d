"""Wrong input in every part of a request: cursors, times, ids, bodies, headers. Pure."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hostile.payloads import EXTREME, REFERENCES, UNSTORABLE, batch, send

_JSON: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Probe:
    """One request with the operator's key. `body` is sent unchanged."""

    name: str
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def cursor_of(text: str) -> str:
    """A cursor of our form with any content."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


CURSORS: Final[Mapping[str, str]] = {
    name: cursor_of(text)
    for name, text in {
        "NaN": '[NaN, "x"]',
        "infinity": '[Infinity, "x"]',
        "minus infinity": '[-Infinity, "x"]',
        "1e300": '[1e300, "x"]',
        "-1e300": '[-1e300, "x"]',
        "10**400": f'[{10**400}, "x"]',
        "year 10000": '[253402300800, "x"]',
        "year 0": '[-62135596801, "x"]',
        "a text of nan": '["nan", "x"]',
        "a text of inf": '["inf", "x"]',
        "a lone surrogate": '[1, "\\ud800"]',
        "a raw lone surrogate": '[1, "\ud800"]',
        "NUL": '[1, "\\u0000"]',
        "an object": '[1, {"$gt": ""}]',
        "a bool": '[true, "x"]',
        "null": "[null, null]",
        "three": '[1, "x", 2]',
        "no list": "5",
        "deep": "[" * 20_000,
        "long": json.dumps([1, "x" * 6_000]),
        "many digits": f'[{"9" * 5_000}, "x"]',
    }.items()
} | {
    "no base64": "%21%21%21",
    "not ASCII": "%C3%A9",
    "not UTF-8": "%FF%FE",
    "empty": "",
    "one letter": "A",
    "NUL itself": "%00",
}

IDS: Final[Mapping[str, str]] = {
    # As they stand in a path.
    "a slash": "a%2Fb",
    "CR LF": "a%0D%0Ax-injected:%201",
    "NUL": "a%00b",
    "not UTF-8": "%FF%FE",
    "a lone surrogate": "%ED%A0%80",
    "digits of another script": "%D9%A1%D9%A2%D9%A3",
    "dots": "%2E%2E",
    "an operator": "%24where",
    "long": "x" * 7_000,
    "spaces": "%20",
    "a percent": "%25",
}

TIMES: Final[tuple[Any, ...]] = (
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999-14:00",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "٢٠٣٠-01-01T00:00:00Z",
    253402300799,
    253402300800,
    1e300,
    -1e300,
    10**30,
    "inf",
    "nan",
    "",
    True,
    [],
    {},
)

TEXTS: Final[tuple[Any, ...]] = (
    "a/b",
    "a\r\nx: 1",
    "a\x00b",
    "\ud800",
    "١٢٣٤٥٦٧",
    "+١٢٣٤٥٦٧٨",
    "",
    " ",
    "x" * 129,
    "x" * 100_000,
    "$ref",
    "..",
    5,
    None,
    [],
    {"$gt": ""},
)

DAYS: Final = (
    "0000-00-00",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "%D9%A2%D9%A0%D9%A2%D9%A5-01-01",
    "2026-02-30",
    "%00",
    "-1",
    "2026-W01-1",
    "20260101",
)

BODIES: Final[Mapping[str, bytes]] = {
    "empty": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"chatbotId": "\xff\xfe"}',
    "a lone surrogate": b'{"chatbotId": "\\ud800", "to": "\\ud800", "message": "\\ud800"}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a number": b"1e999",
    "NaN": b'{"chatbotId": NaN}',
    "null": b"null",
    "a list": b"[]",
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"chatbotId": "x"}'.encode("utf-16"),
    "a name twice": b'{"chatbotId": "a", "chatbotId": "b"}',
    "many digits": b'{"chatbotId": ' + b"9" * 10_000 + b"}",
}


def dumped(value: object) -> bytes:
    """JSON with lone surrogates as escapes."""
    return json.dumps(value).encode()


def reads(chatbot: str, conversation: str) -> Iterator[Probe]:
    """The routes that read."""
    lists = ("/conversations", f"/conversations/{conversation}/messages", "/webhook-events", "/usage")
    for path in lists:
        for name, cursor in CURSORS.items():
            yield Probe(f"{path}: cursor {name}", "GET", f"{path}?cursor={cursor}")
        for limit in ("0", "-1", "1e3", "9" * 400, "%D9%A3", "NaN", "", "1.5", "%00"):
            yield Probe(f"{path}: limit {limit[:8]}", "GET", f"{path}?limit={limit}")
        for name, one in IDS.items():
            yield Probe(f"{path}: chatbot {name}", "GET", f"{path}?chatbotId={one}")
    for name, one in IDS.items():
        for path in (
            f"/conversations/{one}",
            f"/conversations/{one}/messages",
            f"/messages/{one}",
            f"/messages/{one}?chatbotId={chatbot}",
        ):
            yield Probe(f"{path[:24]}: {name}", "GET", path)
    for day in DAYS:
        for query in (f"from={day}", f"to={day}", f"from={day}&to={day}"):
            yield Probe(f"usage summary {query[:24]}", "GET", f"/usage/summary?{query}")


def sends(chatbot: str) -> Iterator[Probe]:
    """The routes that send, as JSON."""
    plain = send(chatbot, "491790000001", "probe")
    for name in ("sendAt", "expiresAt"):
        for time in TIMES:
            yield from _both(f"{name} {time!r:.24}", chatbot, {**plain, "messageId": f"t{time}"[:40], name: time})
    for name in ("chatbotId", "to", "messageId", "replyTo", "message", "category", "metadata"):
        for text in TEXTS:
            yield from _both(f"{name} {text!r:.24}", chatbot, {**plain, name: text})
    for name, metadata in {**UNSTORABLE, **REFERENCES, **EXTREME}.items():
        yield from _both(f"metadata: {name}", chatbot, {**plain, "messageId": f"m-{name}", "metadata": metadata})
    for text in TEXTS:
        yield Probe(
            f"batchId {text!r:.24}", "POST", "/send/batch", dumped({**batch(chatbot, [plain]), "batchId": text}), _JSON
        )
        yield Probe(
            f"messages {text!r:.24}", "POST", "/send/batch", dumped({"chatbotId": chatbot, "messages": text}), _JSON
        )
        yield Probe(
            f"an item {text!r:.24}", "POST", "/send/batch", dumped({"chatbotId": chatbot, "messages": [text]}), _JSON
        )
    for name, one in IDS.items():
        for method, path in (
            ("GET", f"/send/{one}?chatbotId={chatbot}"),
            ("DELETE", f"/send/{one}?chatbotId={chatbot}"),
            ("GET", f"/send/x?chatbotId={one}"),
            ("GET", f"/numbers/{one}"),
        ):
            yield Probe(f"{method} {path[:20]}: {name}", method, path)


def _both(name: str, chatbot: str, body: Mapping[str, Any]) -> Iterator[Probe]:
    yield Probe(f"send: {name}", "POST", "/send", dumped(body), _JSON)
    yield Probe(f"batch: {name}", "POST", "/send/batch", dumped(batch(chatbot, [dict(body)])), _JSON)


def accounts(own: str) -> Iterator[Probe]:
    """The routes of accounts. Nothing here may make an account that sends."""
    plain = {"chatbotId": own, "phoneNumberId": "106540352279999", "accessToken": "fake", "webhookVerifyToken": "fake"}
    for name in ("chatbotId", "phoneNumberId", "accessToken", "webhookVerifyToken", "wabaId", "plan"):
        for text in TEXTS:
            for path in ("/account", "/account?verify=true"):
                yield Probe(f"{path}: {name} {text!r:.24}", "POST", path, dumped({**plain, name: text}), _JSON)
    for name, one in IDS.items():
        yield Probe(f"account {name}", "GET", f"/account/{one}")
        yield Probe(f"deactivate {name}", "POST", f"/account/{one}/deactivate")


def bodies() -> Iterator[Probe]:
    """Bodies that are not JSON or not an object, and wrong content types, on every route with a body."""
    for path in ("/send", "/send/batch", "/account", "/webhook"):
        for name, body in BODIES.items():
            yield Probe(f"{path}: a body, {name}", "POST", path, body, _JSON)
        for kind in ("", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "\xff", "a" * 9_000):
            yield Probe(f"{path}: the type {kind[:24]!r}", "POST", path, b"{}", {"content-type": kind})


def media(chatbot: str) -> Iterator[Probe]:
    """Uploads: odd types, names, and invalid forms."""
    form = "multipart/form-data; boundary="
    for kind in (
        "",
        "image/png",
        "image/" + "x" * 5_000,
        "a/b;c",
        "\xff/\xff",
        form,
        form + "x" * 500,
        form + '"',
        form + "\xff",
        "multipart/mixed; boundary=a",
    ):
        for body in (b"", b"x", b"--x\r\n\r\n", b'--a\r\nContent-Disposition: form-data; name="file"\r\n\r\n'):
            yield Probe(
                f"media: {kind[:40]!r} {body[:8]!r}",
                "POST",
                f"/media?chatbotId={chatbot}",
                body,
                {"content-type": kind},
            )
    for name, one in IDS.items():
        yield Probe(
            f"media: file name {name}",
            "POST",
            f"/media?chatbotId={chatbot}&filename={one}",
            b"x",
            {"content-type": "image/png"},
        )
        yield Probe(f"media: chatbot {name}", "POST", f"/media?chatbotId={one}", b"x", {"content-type": "image/png"})


def headers(chatbot: str) -> Iterator[Probe]:
    """Headers that are long, or not ASCII."""
    body = dumped(send(chatbot, "491790000002", "header"))
    for name in (
        "correlation-id",
        "traceparent",
        "tracestate",
        "x-request-id",
        "cookie",
        "accept",
        "origin",
        "authorization",
    ):
        for text in (
            "",
            "\xff\xfe",
            "a" * 5_000,
            "a" * 60_000,
            "a" * 1_000_000,
            "00-" + "0" * 32 + "-" + "0" * 16 + "-01",
            "Bearer \xff",
            "Bearer ",
        ):
            for method, path, sent in (
                ("POST", "/send", body),
                ("GET", "/conversations", None),
                ("GET", f"/account/{chatbot}", None),
            ):
                yield Probe(f"{path}: {name} {text[:12]!r} ({len(text)})", method, path, sent, {**_JSON, name: text})


def webhook() -> Iterator[Probe]:
    """Meta's check with odd values, and invalid signatures."""
    for name, one in IDS.items():
        for query in ("hub.verify_token", "hub.mode", "hub.challenge"):
            rest = "&hub.mode=subscribe&hub.verify_token=x"
            yield Probe(f"verification: {query} {name}", "GET", f"/webhook?{query}={one}{rest}")
    for text in (
        "",
        "sha256=",
        "sha256=zz",
        "sha256=" + "0" * 64,
        "sha256=" + "\xff" * 64,
        "sha1=" + "0" * 40,
        "sha256=" + "0" * 100_000,
    ):
        yield Probe(
            f"signature {text[:12]!r} ({len(text)})", "POST", "/webhook", b"{}", {**_JSON, "x-hub-signature-256": text}
        )


def every(chatbot: str, conversation: str, spare: str) -> list[Probe]:
    """All probes. `spare` is a chatbot id whose account may be overwritten."""
    return [
        *reads(chatbot, conversation),
        *sends(chatbot),
        *accounts(spare),
        *bodies(),
        *media(chatbot),
        *headers(chatbot),
        *webhook(),
    ]


WRONG_METHODS: Final = ("PUT", "PATCH", "TRACE", "PROPFIND")


def methods(chatbot: str) -> list[Probe]:
    """A method that no route has, on every route."""
    paths = (
        "/webhook",
        "/send",
        "/send/batch",
        f"/send/x?chatbotId={chatbot}",
        "/conversations",
        "/conversations/x",
        "/conversations/x/messages",
        "/messages/x",
        "/usage",
        "/usage/summary",
        "/webhook-events",
        "/account",
        "/account/x",
        "/account/x/deactivate",
        f"/numbers/{chatbot}",
        "/media",
    )
    return [Probe(f"{method} {path}", method, path) for path in paths for method in WRONG_METHODS]
