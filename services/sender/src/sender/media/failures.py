"""Why the files of a message are not ready. Pure."""

from typing import Final

from common.contracts.messages import MetaError
from common.errors import TooManyRequests, Unavailable
from common.http.fetch.fetcher import FetchFailed
from common.meta.call_ends import Answered, CallEnd
from common.meta.errors import classify
from common.meta.media.rules import MediaRefused
from common.meta.media.upload import UploadFailed

_ABOUT_MEDIA: Final = frozenset({100, 131009, 131053})
"""Meta's codes for a media id that it does not have: invalid parameter, or failed media."""

_SAYS: Final = {
    "link_scheme_refused": "give an https link; http is fetched only where the sender has FETCH_PLAIN_HTTP",
    "link_address_refused": "the link leads to a private network; give a public one",
    "link_unusable": "the link is not a URL with a host; give one like https://shop.example/a.jpg",
    "link_redirects_too_often": "the link redirects more than three times; give the final link",
    "link_compressed": "the server compresses the file; it has to send it uncompressed",
}
"""What the producer can do about a refused link, by the fetcher's reason."""


class MediaFailure(Exception):
    """The files of a message are not ready; `error` is for its producer."""

    def __init__(self, error: MetaError) -> None:
        super().__init__(error.reason)
        self.error = error


class Unusable(MediaFailure):
    """The link can never be used: too large, of a wrong type, missing, or not allowed."""


class SourceUnavailable(MediaFailure):
    """The link's server did not deliver the file, but may do so later. Each try counts as an attempt."""


class NotReady(MediaFailure):
    """The file is being uploaded, or its state is not known: wait without counting an attempt."""


class UploadRejected(MediaFailure):
    """Meta did not take the upload; `end` is how that call ended."""

    def __init__(self, end: CallEnd) -> None:
        super().__init__(MetaError(reason="media_upload_failed"))
        self.end = end


def failure_of(error: Exception) -> MediaFailure | None:  # noqa: PLR0911  # one answer per kind of error
    """The `MediaFailure` of an expected error between the link and Meta; None for any other error."""
    match error:
        case MediaFailure():
            return error
        case MediaRefused():
            reason = "media_too_large" if error.too_large else "media_unsupported"
            return Unusable(MetaError(reason=reason, details=str(error)))
        case FetchFailed(permanent=True):
            return Unusable(MetaError(reason="media_link_refused", details=_explained(error.reason)))
        case FetchFailed():
            return SourceUnavailable(MetaError(reason="media_link_unreachable", details=error.reason))
        case TimeoutError():
            return SourceUnavailable(MetaError(reason="media_link_unreachable", details="timeout"))
        case UploadFailed():
            return UploadRejected(error.end)
        case Unavailable() | TooManyRequests():  # the latter: no room on the disk
            return NotReady(MetaError(reason=error.error_code))
        case OSError():  # the disk on which a file waits
            return NotReady(MetaError(reason="media_not_stored", details=type(error).__name__))
        case _:
            return None


def _explained(reason: str) -> str:
    return f"{reason}: {_SAYS[reason]}" if reason in _SAYS else reason


def is_about_media(end: CallEnd) -> bool:
    """Whether the end of a send may mean that Meta no longer has a file of the message."""
    return isinstance(end, Answered) and classify(end.status, end.body).code in _ABOUT_MEDIA
