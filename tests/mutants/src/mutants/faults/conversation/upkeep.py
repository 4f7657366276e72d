"""Faults in conversation's upkeep: what is removed when, and how the messages of a large merge follow."""

from typing import Final

from mutants.fault import Fault

_SOURCE: Final = "services/conversation/src/conversation"
_TESTS: Final = "services/conversation/tests"
_RULES: Final = f"{_SOURCE}/upkeep/rules.py"
_REMOVING: Final = f"{_SOURCE}/upkeep/removing.py"
_JOBS: Final = f"{_SOURCE}/upkeep/jobs.py"
_MOVING: Final = f"{_SOURCE}/upkeep/moving.py"

_RULE_TESTS: Final = (f"{_TESTS}/upkeep/test_rules.py",)
_REMOVE_TESTS: Final = (f"{_TESTS}/upkeep/test_removing.py",)
_MOVE_TESTS: Final = (f"{_TESTS}/upkeep/test_moving.py",)
_WIRING_TESTS: Final = (f"{_TESTS}/test_wiring.py",)

FAULTS: Final = (
    Fault(
        "conversation/kept-for-good-is-not-the-days-of-an-account",
        _RULES,
        "for name, days in own.items() if days is not None}",
        "for name, days in own.items() if days}",
        _RULE_TESTS,
        "an account that keeps its messages for good loses them after a year",
    ),
    Fault(
        "conversation/kept-for-good-goes-at-once",
        _RULES,
        "return now - timedelta(days=days) if days else None",
        "return now - timedelta(days=days)",
        _RULE_TESTS,
        "with 0 days for good everything is removed",
    ),
    Fault(
        "conversation/retention-of-one-account-for-all",
        _RULES,
        'cutoff = of(document.get("chatbotId")).messages',
        "cutoff = of(None).messages",
        _RULE_TESTS,
        "messages are removed although their account keeps them for longer",
    ),
    Fault(
        "conversation/retention-of-one-that-absorbs",
        _RULES,
        " and ABSORBS not in conversation",
        "",
        _RULE_TESTS,
        "messages that have yet to follow are in no conversation any more",
    ),
    Fault(
        "conversation/upkeep-works-all-the-time",
        "libs/common/src/common/tasks.py",
        "return took * (1 - share) / share",
        "return took * (1 - share) * share",
        ("libs/common/tests/test_tasks.py",),
        "upkeep takes MongoDB's time from the messages of today",
    ),
    Fault(
        "conversation/retention-removes-what-waits",
        _REMOVING,
        '            "deliveryStatus": {"$ne": QUEUED},\n',
        "",
        _REMOVE_TESTS,
        "a send that waits for a year is not in the store when it is sent",
    ),
    Fault(
        "conversation/retention-forgets-what-comes-again",
        _REMOVING,
        '            "createdAt": {"$not": {"$gte": self._cutoffs_of(None).repeated}},\n',
        "",
        _REMOVE_TESTS,
        "a webhook that Meta repeats reaches the AI a second time",
    ),
    Fault(
        "conversation/retention-removes-conversations-with-messages",
        _REMOVING,
        'if document["_id"] not in kept:',
        "if True:",
        _REMOVE_TESTS,
        "messages that are kept are in no conversation any more",
    ),
    Fault(
        "conversation/retention-passes-over-what-has-no-conversation",
        _REMOVING,
        "if (unknown := self._cutoffs_of(None).messages) is not None:",
        "if (unknown := self._cutoffs_of(None).messages) is None:",
        _REMOVE_TESTS,
        "statuses of unknown messages, with the numbers of people, are kept for good",
    ),
    Fault(
        "conversation/retention-begins-before-the-accounts-are-known",
        _JOBS,
        "        await directory.table.wait()\n",
        "",
        _REMOVE_TESTS,
        "after a start, messages go that their account keeps for good",
    ),
    Fault(
        "conversation/retention-begins-at-once",
        _JOBS,
        "        if now() < begins:\n",
        "        if now() < begins and False:\n",
        _REMOVE_TESTS,
        "an update removes what an operator has kept for years, without a warning",
    ),
    Fault(
        "conversation/retention-without-grace",
        f"{_SOURCE}/store.py",
        "return await self._since(RETENTION, _GRACE)",
        "return await self._since(RETENTION)",
        _REMOVE_TESTS,
        "an operator has a day to object instead of a month",
    ),
    Fault(
        "conversation/retention-by-other-settings",
        f"{_SOURCE}/app.py",
        "Kept(settings.messages_days, settings.conversations_days, settings.usage_log_days)",
        "Kept(settings.messages_days, settings.usage_log_days, settings.conversations_days)",
        _WIRING_TESTS,
        "conversations go after the days of the usage log",
    ),
    Fault(
        "conversation/turn-of-a-dead-process-for-long",
        _JOBS,
        "        taken=_MOVE_TAKEN,\n",
        "",
        _MOVE_TESTS,
        "messages of a merged conversation stand still for five minutes after each restart",
    ),
    Fault(
        "conversation/turn-more-often-than-needed",
        "libs/common/src/common/mongo/turns.py",
        ', "doneAt": {"$lte": now - self._every}}',
        "}",
        _REMOVE_TESTS,
        "each process looks through all conversations every five minutes",
    ),
    Fault(
        "conversation/turn-is-not-renewed",
        "libs/common/src/common/mongo/turns.py",
        "        if self._mine:\n            self._renewing",
        "        if not self._mine:\n            self._renewing",
        _REMOVE_TESTS,
        "two processes remove the same for as long as it takes",
    ),
    Fault(
        "conversation/merge-ends-after-a-whole-slice",
        _MOVING,
        "last = len(ids) < SLICE",
        "last = len(ids) <= SLICE",
        _MOVE_TESTS,
        "all but the first messages of a merged conversation are lost",
    ),
    Fault(
        "conversation/merge-to-one-that-was-merged-itself",
        _MOVING,
        "if not done.matched_count:",
        "if done is None:",
        _MOVE_TESTS,
        "messages move to a conversation that no reader is shown any more",
    ),
    Fault(
        "conversation/merge-mark-stays",
        _MOVING,
        "        if last:\n",
        "        if last and False:\n",
        _MOVE_TESTS,
        "an empty mark is looked at every five seconds, for good",
    ),
    Fault(
        "conversation/merge-of-merges-forgets-the-first",
        f"{_SOURCE}/batch/working_set.py",
        "winner.set(ABSORBS, [*winner.document.get(ABSORBS, []), *waiting, loser.document",
        "winner.set(ABSORBS, [*winner.document.get(ABSORBS, []), loser.document",
        _MOVE_TESTS,
        "of three conversations that become one, the messages of the first are lost",
    ),
    Fault(
        "conversation/thread-without-what-has-yet-to-follow",
        f"{_SOURCE}/read_api/queries.py",
        '[conversation["_id"], *conversation.get(ABSORBS, ())]',
        '[conversation["_id"]]',
        _MOVE_TESTS,
        "a thread lacks messages while they move",
    ),
)
