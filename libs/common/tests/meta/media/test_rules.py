"""Which files WhatsApp carries: every type, every limit, and what is said about the others."""

import pytest

from common.meta.media.rules import (
    LIMITS,
    TYPES,
    Kind,
    MediaRefused,
    check_kind,
    check_size,
    is_animated,
    kind_of,
    limit_of,
)
from common.meta.media.types import declared_type

MB = 1024 * 1024


@pytest.mark.parametrize(("kind", "mime_type"), [(kind, given) for kind, types in TYPES.items() for given in types])
def test_every_type_has_its_kind(kind, mime_type):
    assert kind_of(mime_type) is kind
    assert kind_of(f"{mime_type.upper()}; codecs=opus") is kind


@pytest.mark.parametrize("mime_type", ["application/pdf", "text/plain", "application/zip", "text/csv; charset=utf-8"])
def test_other_files_are_documents(mime_type):
    assert kind_of(mime_type) is Kind.DOCUMENT
    assert limit_of(mime_type) == 100 * MB


@pytest.mark.parametrize(
    "mime_type", ["image/gif", "image/svg+xml", "audio/wav", "video/quicktime", "text/html", "font/woff", "", "jpeg"]
)
def test_what_whatsapp_does_not_carry_is_named(mime_type):
    with pytest.raises(MediaRefused, match="image/jpeg") as refused:
        kind_of(mime_type)
    assert (refused.value.field, refused.value.given) == ("mimeType", mime_type or "missing")
    assert not refused.value.too_large


def test_limits():
    assert {kind: limit // 1024 for kind, limit in LIMITS.items()} == {
        Kind.AUDIO: 16 * 1024,
        Kind.IMAGE: 5 * 1024,
        Kind.VIDEO: 16 * 1024,
        Kind.STICKER: 500,
        Kind.DOCUMENT: 100 * 1024,
    }
    assert limit_of("image/webp") == 100 * 1024
    assert limit_of("image/webp", animated=True) == 500 * 1024
    assert limit_of("image/png", animated=True) == 5 * MB


def test_a_file_that_is_too_large_is_told_by_how_much():
    check_size(5 * MB, 5 * MB)
    with pytest.raises(MediaRefused) as refused:
        check_size(5 * MB + 1, 5 * MB)
    assert str(refused.value) == "size: the file has to be of at most 5,242,880 bytes; given: 5,242,881"
    assert (refused.value.limit, refused.value.given, refused.value.too_large) == (5 * MB, 5 * MB + 1, True)


def test_a_message_shows_its_own_kind_and_a_document_any():
    check_kind(Kind.IMAGE, "image/png")
    check_kind(Kind.DOCUMENT, "image/png")
    with pytest.raises(MediaRefused) as refused:
        check_kind(Kind.IMAGE, "application/pdf")
    assert str(refused.value) == "image: the file has to be image/jpeg or image/png; given: application/pdf"


@pytest.mark.parametrize(
    ("mime_type", "name", "expected"),
    [
        ("image/png", "a.jpg", "image/png"),
        ("image/png; charset=binary", "a.png", "image/png"),
        ("audio/ogg; codecs=opus; rate=16000", "a.ogg", "audio/ogg; codecs=opus"),
        ("", "a.JPG", "image/jpeg"),
        ("application/octet-stream", "report.pdf", "application/pdf"),
        ("binary/octet-stream", "clip", "binary/octet-stream"),
        ("application/x-www-form-urlencoded", "", "application/x-www-form-urlencoded"),
    ],
)
def test_the_type_is_what_was_told_or_what_the_name_tells(mime_type, name, expected):
    assert declared_type(mime_type, name) == expected


@pytest.mark.parametrize(("flags", "expected"), [(0x02, True), (0x12, True), (0x10, False), (0x00, False)])
def test_a_sticker_moves_when_its_header_says_so(flags, expected):
    head = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + bytes([flags])
    assert is_animated(head) is expected
    assert not is_animated(head[:20])
    assert not is_animated(head.replace(b"VP8X", b"VP8 "))
