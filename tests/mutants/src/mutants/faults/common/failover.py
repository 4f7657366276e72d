"""Faults in `common.mongo.failover`: who is primary, and reads that do not wait for it."""

from typing import Final

from mutants.fault import Fault

_MONGO: Final = "libs/common/src/common/mongo"
_PRIMARY: Final = f"{_MONGO}/failover/primary.py"
_READS: Final = f"{_MONGO}/failover/waited_reads.py"
_TESTS: Final = "libs/common/tests/mongo/failover"
_PRIMARY_TESTS: Final = (f"{_TESTS}/test_primary.py",)
_READ_TESTS: Final = (f"{_TESTS}/test_waited_reads.py",)
_REAL_TESTS: Final = (f"{_TESTS}/test_failover.py",)
_CLIENT_TESTS: Final = ("libs/common/tests/kafka/test_client_settings.py",)

FAULTS: Final = (
    Fault(
        "common/failover-waits-for-an-answer-for-ever",
        f"{_MONGO}/client.py",
        "            socketTimeoutMS=OPERATION_SECONDS * 1_000 if limited else None,\n",
        "",
        _CLIENT_TESTS,
        "a primary whose disk hangs stops a service for good",
    ),
    Fault(
        "common/failover-looks-seldom",
        f"{_MONGO}/client.py",
        "            heartbeatFrequencyMS=2_000,\n",
        "",
        _CLIENT_TESTS,
        "a member that stands still is given up after 15 s",
    ),
    Fault(
        "common/failover-ends-what-a-former-primary-still-answers",
        _PRIMARY,
        "return before if known is not None and known.server_type_name == _UNKNOWN else None",
        "return before if known is not None else None",
        _PRIMARY_TESTS,
        "a planned change of primary makes reads fail",
    ),
    Fault(
        "common/failover-waits-for-the-primary-before",
        _PRIMARY,
        "            task = asyncio.ensure_future(self._interrupt(gone))\n",
        "            task = asyncio.ensure_future(asyncio.sleep(0))\n",
        _PRIMARY_TESTS,
        "batches wait for a primary that stands still until its monitor gives it up",
    ),
    Fault(
        "common/failover-calls-the-lost-copied",
        _PRIMARY,
        '_NEVER_SECONDARY: Final = frozenset({_PRIMARY, "RSArbiter", "RSGhost"})',
        '_NEVER_SECONDARY: Final = frozenset({_PRIMARY, _UNKNOWN, "RSArbiter", "RSGhost"})',
        ("tools/wa/tests/test_erase_copies.py",),
        "an erasure is called done while a member that is away still has the person",
    ),
    Fault(
        "common/failover-shows-any-age",
        _READS,
        "if as_of is not None and self._now() - as_of > self._stale:",
        "if False:",
        _READ_TESTS,
        "a listing shows what has been erased, or is days old",
    ),
    Fault(
        "common/failover-does-not-say-how-old",
        _READS,
        "_moment_of(session)\n\n\nclass",
        "None\n\n\nclass",
        _REAL_TESTS,
        "what a secondary knew passes for the present",
    ),
    Fault(
        "common/failover-believes-a-copy-that-nothing-is-there",
        _READS,
        '            except NotFound:\n                raise _unavailable("failed") from None\n',
        "",
        _REAL_TESTS,
        "a conversation that a secondary has yet to copy is 404",
    ),
    Fault(
        "common/failover-asks-copies-when-switched-off",
        _READS,
        "if self._stale and not await self._answered(first):",
        "if not await self._answered(first):",
        _READ_TESTS,
        "who wants the present state alone gets an older one",
    ),
    Fault(
        "common/failover-doubles-the-load-of-a-slow-primary",
        _READS,
        "return not self._mongo.primary.lost_for() and await self._pinged()",
        "return False",
        _READ_TESTS,
        "under load each listing is asked of two members",
        hangs=True,
    ),
    Fault(
        "common/failover-queue-for-copies-has-no-end",
        _READS,
        "async with asyncio.timeout(self._seconds + PATIENCE_SECONDS):",
        "async with asyncio.timeout(None):",
        _READ_TESTS,
        "callers pile up behind a secondary that stands still",
    ),
    Fault(
        "common/failover-a-copy-counts-as-the-primary",
        _READS,
        "        ASKS_SECONDARY.set(True)  # of this task alone\n",
        "",
        _REAL_TESTS,
        "the log says that MongoDB is back while it has no primary",
    ),
    Fault(
        "common/failover-every-caller-waits-in-vain",
        _READS,
        "if mongo.primary.lost_for() >= SELECTION_SECONDS:",
        "if False:",
        _REAL_TESTS,
        "without a majority each read waits for 5 s",
    ),
)
