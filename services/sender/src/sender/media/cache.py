"""Uploads each link once per business number, and replaces links in requests by media ids."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.errors import Unavailable
from common.http.fetch.fetcher import Fetcher
from common.http.uploads.capacity import Capacity
from common.meta.call_ends import CallEnd
from common.meta.media.rules import Kind, check_kind
from common.meta.media.upload import LIFETIME, MediaClient
from sender.media.failures import MediaFailure, NotReady, Unusable, failure_of, is_about_media
from sender.media.links import Linked, Ready, links_of, with_uploads
from sender.media.single_flight import SingleFlight
from sender.media.store import CachedUpload, MediaStore, key_of
from sender.media.upload import File, Uploaded, recognised_file, transfer

log = logging.getLogger(__name__)

_AT_ONCE: Final = 64
_OF_ONE_NUMBER: Final = 4
_PATIENCE_SECONDS: Final = 1.0
"""How long a send waits for a file. This wait and the call have to end within the drain of the session."""

_SURELY_KNOWN: Final = timedelta(minutes=1)
"""A media id that is younger than this is not lost: Meta refuses something else."""


class MediaCache:
    """Media ids of links: from the store, or by one upload for all sends that need it.

    An upload that takes longer than `patience` goes on in the background, at most `seconds` in all. One number has at
    most four uploads at a time, so that slow links of one tenant do not delay another.
    """

    def __init__(
        self,
        store: MediaStore,
        client: MediaClient,
        fetcher: Fetcher,
        *,
        seconds: float,
        now: Callable[[], datetime],
        patience: float = _PATIENCE_SECONDS,
        spool: Capacity | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._fetcher = fetcher
        self._seconds = seconds
        self._now = now
        self._spool = spool
        self._shared: SingleFlight[Ready] = SingleFlight(
            patience=patience, lasting=lambda error: isinstance(error, Unusable)
        )
        self._all = asyncio.Semaphore(_AT_ONCE)
        self._numbers: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_OF_ONE_NUMBER))

    async def prepared(self, request: SendRequest, phone_number_id: str, token: str) -> SendRequest:
        """The request with media ids in place of its links with `upload`; the same object when it has none.

        Raises a `MediaFailure`, whose outcome is that of `media_outcomes.outcome_of`.
        """
        links = _links(request)
        if not links:
            return request
        ends = await asyncio.gather(
            *(self.resolve(phone_number_id, token, linked.kind, linked.link) for linked in links),
            return_exceptions=True,
        )
        failures = [end for end in ends if isinstance(end, BaseException)]
        if failures:
            raise next((error for error in failures if isinstance(error, Unusable)), failures[0])
        ready = {linked: end for linked, end in zip(links, ends, strict=True) if isinstance(end, Ready)}
        return with_uploads(request, ready)

    async def resolve(self, phone_number_id: str, token: str, kind: Kind, source: str) -> Ready:
        """The number's upload of a link whose file is shown as `kind`. Raises `MediaFailure`."""
        try:
            return await self._shared.get(
                (phone_number_id, kind, source), lambda: self._found(phone_number_id, token, kind, source)
            )
        except TimeoutError:
            raise NotReady(
                MetaError(reason="media_uploading", details="the file is still on its way to Meta")
            ) from None

    async def forget(self, phone_number_id: str, request: SendRequest, end: CallEnd) -> bool:
        """Forget the media ids of `request` (as it was before `prepared`) when `end` says that Meta may have lost them.

        Returns whether any was forgotten, so that another try may succeed. False when MongoDB does not answer.
        """
        links = _links(request)
        if not links or not is_about_media(end):
            return False
        before = self._now() - _SURELY_KNOWN
        try:
            gone = [await self._store.forget(key_of(phone_number_id, linked.link), before) for linked in links]
        except Unavailable:
            return False
        return any(gone)

    async def close(self) -> None:
        """Cancel the uploads under way."""
        await self._shared.close()

    async def _found(self, number: str, token: str, kind: Kind, link: str) -> Ready:
        """From the store or by an upload. Expected errors become a `MediaFailure`."""
        try:
            key = key_of(number, link)
            kept = await self._store.load(key, self._now())
            if kept is not None:
                check_kind(kind, kept.mime_type)
                return Ready(kept.media_id, kept.name)
            async with self._numbers[number], self._all, asyncio.timeout(self._seconds):
                uploaded, name = await self._carry(number, token, kind, link)
            await self._keep(key, uploaded, name)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            self._log(number, kind, failure)
            raise failure from None
        return Ready(uploaded.id, name)

    async def _carry(self, number: str, token: str, kind: Kind, link: str) -> tuple[Uploaded, str]:
        """The upload, and the name of the file."""
        async with self._fetcher.open(link) as source:
            file = await recognised_file(File(source.mime_type, source.name, source.size, source.chunks))
            check_kind(kind, file.mime_type)
            uploaded = await transfer(self._client, number, token, file, self._spool)
        log.info("link uploaded", extra={"phone_number_id": number, "kind": kind, "bytes": uploaded.size})
        return uploaded, file.name

    def _log(self, number: str, kind: Kind, failure: MediaFailure) -> None:
        """Log a failure without the link, because a link may hold a secret."""
        error = failure.error
        fields = {"phone_number_id": number, "kind": kind, "reason": error.reason, "details": error.details}
        log.warning("link not uploaded", extra=fields)

    async def _keep(self, key: str, uploaded: Uploaded, name: str) -> None:
        at = self._now()
        try:
            await self._store.put(key, CachedUpload(uploaded.id, uploaded.mime_type, at, at + LIFETIME, name))
        except Unavailable as error:  # the id is valid; the next message uploads again
            log.warning("could not store an upload", extra={"error": error.message})


def _links(request: SendRequest) -> Sequence[Linked]:
    return () if isinstance(request.message, str) else links_of(request.message)
