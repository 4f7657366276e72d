"""Which MIME type a file has: what clients call it, what its name says, and what its first bytes say. Pure.

Meta takes only the names that its page "Media" lists, but browsers, phones and storage services use others for the same
files, or say that they do not know. Signatures are those of the formats' own documents: JPEG (ITU T.81), PNG (RFC
2083), WebP (RFC 9649), Ogg (RFC 3533) with Opus (RFC 7845), MP4 and 3GP (ISO 14496-12, 3GPP TS 26.244), AMR (RFC 4867),
MP3 and AAC (ISO 11172-3, 13818-7), PDF (ISO 32000), and Office files in their ZIP (ECMA-376).
"""

from typing import Final

HEAD_BYTES: Final = 4_096
"""How much of a file tells its type."""

_ALIASES: Final = """
image/jpg image/jpeg
image/pjpeg image/jpeg
image/jfif image/jpeg
image/jpe image/jpeg
image/x-jpeg image/jpeg
image/x-png image/png
image/x-webp image/webp
audio/mp3 audio/mpeg
audio/x-mp3 audio/mpeg
audio/mpeg3 audio/mpeg
audio/x-mpeg audio/mpeg
audio/mpg audio/mpeg
audio/mpeg-3 audio/mpeg
audio/x-mpeg-3 audio/mpeg
audio/x-mpg audio/mpeg
audio/m4a audio/mp4
audio/x-m4a audio/mp4
audio/mp4a-latm audio/mp4
audio/x-mp4 audio/mp4
audio/x-aac audio/aac
audio/aacp audio/aac
audio/vnd.dlna.adts audio/aac
audio/x-hx-aac-adts audio/aac
audio/amr-nb audio/amr
audio/x-amr audio/amr
audio/opus audio/ogg; codecs=opus
audio/x-opus audio/ogg; codecs=opus
audio/x-opus+ogg audio/ogg; codecs=opus
audio/x-ogg audio/ogg
application/ogg audio/ogg
application/x-ogg audio/ogg
application/mp4 video/mp4
video/x-mp4 video/mp4
video/mpeg4 video/mp4
video/m4v video/mp4
video/x-m4v video/mp4
video/3gp video/3gpp
video/x-3gpp video/3gpp
application/x-pdf application/pdf
application/acrobat application/pdf
text/pdf application/pdf
text/x-pdf application/pdf
"""
_BY_ALIAS: Final = dict(line.split(maxsplit=1) for line in _ALIASES.strip().splitlines())

_SUFFIXES: Final = """
aac audio/aac
amr audio/amr
mp3 audio/mpeg
m4a audio/mp4
ogg audio/ogg
opus audio/ogg; codecs=opus
jpg image/jpeg
jpeg image/jpeg
png image/png
webp image/webp
mp4 video/mp4
3gp video/3gpp
txt text/plain
pdf application/pdf
doc application/msword
xls application/vnd.ms-excel
ppt application/vnd.ms-powerpoint
docx application/vnd.openxmlformats-officedocument.wordprocessingml.document
xlsx application/vnd.openxmlformats-officedocument.spreadsheetml.sheet
pptx application/vnd.openxmlformats-officedocument.presentationml.presentation
"""
_BY_SUFFIX: Final = dict(line.split(maxsplit=1) for line in _SUFFIXES.strip().splitlines())

UNTOLD: Final = frozenset(
    {
        "",
        "application/octet-stream",
        "application/octetstream",
        "application/x-octet-stream",
        "binary/octet-stream",
        "application/binary",
        "application/x-binary",
        "application/force-download",
        "application/download",
        "application/x-download",
        "application/unknown",
        "application/x-unknown",
        "unknown/unknown",
        "application/x-www-form-urlencoded",
        "*/*",
    }
)
"""What clients and servers say when they do not know; the one with `form` is what `curl --data-binary` says."""

_STARTS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
    (b"#!AMR\n", "audio/amr"),
    (b"ID3", "audio/mpeg"),
)
_OFFICE: Final = ((b"word/", "docx"), (b"xl/", "xlsx"), (b"ppt/", "pptx"))
_SOUND: Final = frozenset({b"M4A ", b"M4B "})
_VIDEO: Final = (b"iso", b"mp4", b"avc", b"M4V", b"mmp4", b"MSNV", b"dash")


def bare(mime_type: str) -> str:
    """The type alone, without parameters (`audio/ogg; codecs=opus`)."""
    return mime_type.partition(";")[0].strip().lower()


def declared_type(mime_type: str, name: str) -> str:
    """The type that was given, by the name that Meta has for it, or else the one that the file's name speaks of.

    Of its parameters only `codecs` stays.
    """
    given = bare(mime_type)
    if given in UNTOLD:
        return _BY_SUFFIX.get(name.rpartition(".")[2].lower(), given)
    known = _BY_ALIAS.get(given, given)
    codecs = [text.strip() for text in mime_type.split(";")[1:] if text.strip().lower().startswith("codecs=")]
    return known if ";" in known else "; ".join([known, *codecs])


def recognised(mime_type: str, name: str, head: bytes) -> str:
    """The type of a file whose first `HEAD_BYTES` are `head`: they decide where no type was given."""
    untold = bare(mime_type) in UNTOLD
    return (sniffed(head) if untold else None) or declared_type(mime_type, name)


def sniffed(head: bytes) -> str | None:  # one answer per format
    """What a file's first bytes say it is; None for all that Meta does not list, and for what says nothing."""
    for start, mime_type in _STARTS:
        if head.startswith(start):
            return mime_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:4] == b"OggS":
        return "audio/ogg; codecs=opus" if b"OpusHead" in head[:128] else "audio/ogg"
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12])
    if head[:4] == b"PK\x03\x04":
        return next((_BY_SUFFIX[suffix] for folder, suffix in _OFFICE if folder in head), None)
    return _of_frame(head)


def _of_brand(brand: bytes) -> str | None:
    """The container is that of HEIC pictures and QuickTime films, too, which WhatsApp does not carry."""
    if brand in _SOUND:
        return "audio/mp4"
    if brand.startswith((b"3gp", b"3g2")):
        return "video/3gpp"
    return "video/mp4" if brand.startswith(_VIDEO) else None


def _of_frame(head: bytes) -> str | None:
    """A stream of frames: the eleven bits of a synchronisation word, then the layer (0 is AAC, 1 is MP3)."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    return "audio/aac" if layer == 0 and head[1] & 0xF0 == 0xF0 else "audio/mpeg" if layer == 1 else None
