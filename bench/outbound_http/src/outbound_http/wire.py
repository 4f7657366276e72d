"""The parts of HTTP/1.1 that the two hand-written ends need. Pure."""

from typing import Final

_LENGTH: Final = b"\r\ncontent-length:"
_OK: Final = b"HTTP/1.1 200 "


def message_end(data: bytes) -> int:
    """Where the first message of `data` ends, in bytes; 0 while it is incomplete. It must have a content-length."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    at = data[:head].lower().find(_LENGTH)
    if at < 0:
        raise ValueError("a message without a content-length")
    length = int(data[at + len(_LENGTH) : data.find(b"\r\n", at + 2)])
    end = head + 4 + length
    return end if len(data) >= end else 0


def status_and_body(answer: bytes) -> tuple[int, bytes]:
    """A complete answer."""
    status = 200 if answer.startswith(_OK) else int(answer[9:12])
    return status, answer[answer.find(b"\r\n\r\n") + 4 :]


def request(host: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """The bytes of a `POST`."""
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def answer(body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of a `200`."""
    lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body
