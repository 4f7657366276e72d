"""A file's type: by the names that clients use for it, by its name, and by its first bytes."""

import pytest

from common.meta.media.rules import TYPES, kind_of
from common.meta.media.types import HEAD_BYTES, UNTOLD, declared_type, recognised, sniffed

OPUS = "audio/ogg; codecs=opus"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES = {
    "JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
    "WebP": (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    "PDF": (b"%PDF-1.7\n", "application/pdf"),
    "AMR": (b"#!AMR\n<", "audio/amr"),
    "MP3 with a tag": (b"ID3\x04\x00", "audio/mpeg"),
    "MP3": (b"\xff\xfb\x90\x00", "audio/mpeg"),
    "MP3, MPEG 2": (b"\xff\xf3\x40\x00", "audio/mpeg"),
    "AAC": (b"\xff\xf1\x50\x80", "audio/aac"),
    "AAC, MPEG 2": (b"\xff\xf9\x50\x80", "audio/aac"),
    "Opus": (b"OggS\x00\x02" + b"\x00" * 22 + b"OpusHead\x01", OPUS),
    "Vorbis": (b"OggS\x00\x02" + b"\x00" * 22 + b"\x01vorbis", "audio/ogg"),
    "M4A": (b"\x00\x00\x00\x20ftypM4A \x00", "audio/mp4"),
    "MP4": (b"\x00\x00\x00\x20ftypisom\x00", "video/mp4"),
    "MP4, version 2": (b"\x00\x00\x00\x20ftypmp42\x00", "video/mp4"),
    "3GP": (b"\x00\x00\x00\x20ftyp3gp5\x00", "video/3gpp"),
    "Word": (b"PK\x03\x04" + b"\x00" * 26 + b"word/document.xml", DOCX),
    "Excel": (b"PK\x03\x04" + b"\x00" * 26 + b"[Content_Types].xml...xl/workbook.xml", XLSX),
}
UNKNOWN = {
    "HEIC": b"\x00\x00\x00\x20ftypheic\x00",
    "QuickTime": b"\x00\x00\x00\x20ftypqt  \x00",
    "GIF": b"GIF89a",
    "WAV": b"RIFF\x10\x00\x00\x00WAVEfmt ",
    "ZIP": b"PK\x03\x04" + b"\x00" * 26 + b"readme.txt",
    "layer II": b"\xff\xfd\x90\x00",
    "a page": b"<!doctype html>",
    "a text": b"Hello",
    "one byte": b"\xff",
    "nothing": b"",
}


def test_what_says_nothing_is_known_by_many_names():
    assert {"application/x-octet-stream", "application/octetstream", "unknown/unknown", "binary/octet-stream"} <= UNTOLD


@pytest.mark.parametrize("name", FILES)
def test_the_first_bytes_tell_a_type_that_was_not_declared(name):
    head, mime_type = FILES[name]
    assert sniffed(head) == mime_type
    for untold in sorted(UNTOLD):
        assert recognised(untold.upper(), "download", head) == mime_type


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_they_do_not_tell_its_name_may(name):
    assert sniffed(UNKNOWN[name]) is None
    assert recognised("binary/octet-stream", "download", UNKNOWN[name]) == "binary/octet-stream"
    assert recognised("binary/octet-stream", "plan.docx", UNKNOWN[name]) == DOCX


def test_they_count_for_more_than_a_name_and_less_than_a_type():
    head, _ = FILES["PNG"]
    assert recognised("application/octet-stream", "a.jpg", head) == "image/png"
    assert recognised("image/jpg", "a.jpg", head) == "image/jpeg"
    assert recognised("text/csv; charset=utf-8", "a.jpg", head) == "text/csv"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/JPG; charset=binary", "image/jpeg"),
        ("image/pjpeg", "image/jpeg"),
        ("image/x-png", "image/png"),
        ("audio/mp3", "audio/mpeg"),
        ("audio/x-m4a", "audio/mp4"),
        ("audio/m4a", "audio/mp4"),
        ("audio/opus", OPUS),
        ("audio/opus; codecs=opus", OPUS),
        ("application/ogg", "audio/ogg"),
        ("application/ogg; codecs=opus", OPUS),
        ("audio/x-aac", "audio/aac"),
        ("audio/vnd.dlna.adts", "audio/aac"),  # as Windows calls it
        ("audio/x-mpeg-3", "audio/mpeg"),
        ("video/mpeg4", "video/mp4"),
        ("text/pdf", "application/pdf"),
        ("audio/x-amr", "audio/amr"),
        ("video/x-m4v", "video/mp4"),
        ("application/x-pdf", "application/pdf"),
        ("application/zip", "application/zip"),
        ("video/quicktime", "video/quicktime"),
    ],
)
def test_another_name_for_a_type_becomes_metas(given, expected):
    assert declared_type(given, "") == expected


def test_every_alias_is_of_a_type_that_meta_lists():
    listed = {mime_type for types in TYPES.values() for mime_type in types} | {"application/pdf"}
    from common.meta.media.types import _BY_ALIAS  # a table that nothing else may change

    assert {mime_type.partition(";")[0] for mime_type in _BY_ALIAS.values()} <= listed
    assert not _BY_ALIAS.keys() & listed
    assert kind_of(_BY_ALIAS["audio/opus"]) == "audio"


@pytest.mark.parametrize("size", range(0, 64, 3))
def test_a_cut_beginning_does_no_harm(size):
    for head, mime_type in FILES.values():
        assert sniffed(head[:size]) in {None, mime_type, "audio/ogg"}
    assert HEAD_BYTES >= 128
