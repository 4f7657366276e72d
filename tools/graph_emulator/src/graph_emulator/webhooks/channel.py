"""One callback URL: its lanes of updates, its POSTs in flight, and the repeats of those that were refused.

Updates of one lane leave in order: the next one waits until the one before was answered with 200, or given up. Lanes
do not wait for each other. A POST takes one update, or, in a batch, the heads of many lanes and what follows in them.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from graph_emulator.config import Config
from graph_emulator.faults import NO_WEBHOOK_FAULT, WebhookDecision
from graph_emulator.timers import Timers
from graph_emulator.webhooks.wire import UPDATES_MAX, Update, encode, envelope


@dataclass(slots=True, eq=False)
class Lane:
    """Updates that have to stay in order, with the fault of each."""

    key: str
    waiting: deque[tuple[Update, WebhookDecision]] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class Post:
    """One body that is being delivered: the same bytes at every attempt. `lanes` are blocked until it is settled."""

    updates: list[Update]
    lanes: list[Lane]
    copies: int
    body: bytes = b""
    attempts: int = 0
    first_ms: float = 0
    is_copy: bool = False


class Channel:
    """Delivers to one callback; at most `config.webhook_concurrency` POSTs at once.

    `attempt(post)` makes one POST and says whether it was answered with 200; `settled(update, delivered)` is told
    once per update. `pending` counts the updates and copies that are not settled.
    """

    def __init__(
        self,
        config: Config,
        *,
        attempt: Callable[[Post], Awaitable[bool]],
        settled: Callable[[Update, bool], None],
        monotonic_ms: Callable[[], float],
    ) -> None:
        self.pending = 0
        self._config = config
        self._attempt = attempt
        self._settled = settled
        self._monotonic_ms = monotonic_ms
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._again: deque[Post] = deque()
        self._timers = Timers()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Event | None = None
        self._wanted = 0

    def add(self, update: Update, decision: WebhookDecision = NO_WEBHOOK_FAULT) -> None:
        """Deliver an update as `decision` says."""
        self.pending += 1
        if decision.overtaken_ms:
            aside = Lane("", deque([(update, decision)]))
            self._timers.later(decision.overtaken_ms, self._make_ready, aside)
            return
        lane = self._lanes.get(update.lane) if self._config.ordered else None
        if lane is not None:
            lane.waiting.append((update, decision))
            return
        lane = Lane(update.lane, deque([(update, decision)]))
        if self._config.ordered:
            self._lanes[lane.key] = lane
        self._open(lane)

    def clear(self) -> None:
        """Forget everything that waits or is in flight."""
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        self._lanes.clear()
        self._ready.clear()
        self._again.clear()
        self._gathering = None
        self.pending = 0

    async def close(self) -> None:
        """Forget everything, and wait until all of its tasks have ended."""
        tasks = list(self._tasks)
        self.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self, lane: Lane) -> None:
        """Release the lane's first update, unless a fault holds it."""
        hold = lane.waiting[0][1].hold_ms
        if hold:
            self._timers.later(hold, self._make_ready, lane)
        else:
            self._make_ready(lane)

    def _make_ready(self, lane: Lane) -> None:
        self._ready.append(lane)
        if self._gathering is None:
            self._launch()
        elif len(self._ready) + 1 >= self._wanted:
            self._gathering.set()

    def _launch(self) -> None:
        while len(self._tasks) < self._config.webhook_concurrency:
            if self._again:
                self._start(self._deliver(self._again.popleft()))
            elif self._ready and self._gathering is None:
                self._start_next()
            else:
                return

    def _start_next(self) -> None:
        decision = self._ready[0].waiting[0][1]
        post = Post([], [], decision.copies)
        if decision.batch is None:
            self._fill(post, max(1, self._config.webhook_batch))
            self._start(self._deliver(post, decision.shape))
            return
        self._fill(post, 1)
        self._wanted = min(decision.batch.size, UPDATES_MAX)
        self._gathering = asyncio.Event()
        self._start(self._deliver_batch(post, decision.batch.wait_ms, decision.shape))

    def _start(self, delivery: Awaitable[None]) -> None:
        task = asyncio.ensure_future(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()
            self._launch()

    def _fill(self, post: Post, size: int) -> None:
        """Move updates from ready lanes into the post until it has `size`; each lane in its order."""
        while self._ready and len(post.updates) < size:
            lane = self._ready.popleft()
            post.lanes.append(lane)
            self._take(lane, post, size, opened=True)

    def _take(self, lane: Lane, post: Post, size: int, *, opened: bool) -> None:
        """Move updates of one lane; the first one's hold is over when the lane was `opened` for it."""
        while lane.waiting and len(post.updates) < size and (opened or not lane.waiting[0][1].hold_ms):
            update, decision = lane.waiting.popleft()
            post.updates.append(update)
            post.copies = max(post.copies, decision.copies)
            opened = False

    async def _deliver_batch(self, post: Post, wait_ms: int, shape: str) -> None:
        """Collect the updates that become ready within `wait_ms`. Until then only repeats are posted."""
        gathering, size = self._gathering, self._wanted
        if gathering is not None and len(self._ready) + 1 < size:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1000):
                    await gathering.wait()
        self._gathering = None
        self._take(post.lanes[0], post, size, opened=False)
        self._fill(post, size)
        self._launch()
        await self._deliver(post, shape)

    async def _deliver(self, post: Post, shape: str = "items") -> None:
        if not post.body:
            post.body = encode(envelope(post.updates, shape))
            post.first_ms = self._monotonic_ms()
        if await self._attempt(post):
            self._settle(post, delivered=True)
        else:
            self._repeat(post)

    def _repeat(self, post: Post) -> None:
        """Post the same bytes again after growing waits, until the retry span is over."""
        delays = self._config.retry_delays_ms
        delay = delays[min(post.attempts, len(delays) - 1)]
        post.attempts += 1
        if post.is_copy or self._monotonic_ms() + delay - post.first_ms > self._config.retry_span_ms:
            self._settle(post, delivered=False)
        else:
            self._timers.later(delay, self._requeue, post)

    def _requeue(self, post: Post) -> None:
        self._again.append(post)
        self._launch()

    def _settle(self, post: Post, *, delivered: bool) -> None:
        if post.is_copy:
            self.pending -= 1
            return
        for update in post.updates:
            self._settled(update, delivered)
        self.pending -= len(post.updates)
        self._free(post.lanes)
        if delivered and post.copies:
            self.pending += post.copies
            copies = (Post(post.updates, [], 0, post.body, first_ms=post.first_ms, is_copy=True),) * post.copies
            self._again.extend(copies)

    def _free(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            if lane.waiting:
                self._open(lane)
            elif self._lanes.get(lane.key) is lane:
                del self._lanes[lane.key]
