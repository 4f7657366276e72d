"""The proof that a request never left: its body was still ours when the call failed.

A library is given an iterator of one piece, and takes the piece only when it writes to a connection that stands. After
a failure we take the piece ourselves: either it is still there, and no complete request can have left or ever will, or
it is gone, and the end is unknown. The declared length makes a request without its piece incomplete.
"""

from collections.abc import AsyncIterator, Iterator

from common.meta.call_ends import NotSent, Unclear


class Letter:
    """One call's body, which is taken at most once: by the library, or by us."""

    __slots__ = ("pieces",)

    def __init__(self, payload: bytes) -> None:
        # A tuple's iterator: its `next` is a single step, whichever thread calls it.
        self.pieces: Iterator[bytes] = iter((payload,))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The same pieces, for libraries that want them so."""
        for piece in self.pieces:
            yield piece

    def failed(self, reason: str) -> NotSent | Unclear:
        """How a failed call ended. From now on nothing of the body can leave.

        An empty body proves nothing: a request without it is complete.
        """
        return NotSent(reason) if next(self.pieces, b"") else Unclear(reason)
