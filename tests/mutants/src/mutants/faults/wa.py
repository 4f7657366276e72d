"""Faults in the operators' tool."""

from typing import Final

from mutants.fault import Fault

_PLAN: Final = "tools/wa/src/wa/dlq/plan.py"
_REPLAYING: Final = "tools/wa/src/wa/dlq/replaying.py"
_SCOPE: Final = "tools/wa/src/wa/erase/scope.py"
_JOURNAL: Final = "tools/wa/src/wa/journal.py"
_TESTS_OF_LETTERS: Final = "tools/wa/tests/test_letters.py"
_TESTS_OF_DLQ: Final = "tools/wa/tests/test_dlq.py"
_TESTS_OF_ERASE: Final = "tools/wa/tests/test_erase.py"
_TESTS_OF_JOURNAL: Final = "tools/wa/tests/test_journal.py"

FAULTS: Final = (
    Fault(
        "wa/dlq-audit-not-compared",
        _PLAN,
        "    return entry if entry and entry.event_id == letter.event_id else None",
        "    return entry",
        (_TESTS_OF_LETTERS,),
        "letters of a topic that was created again count as replayed",
    ),
    Fault(
        "wa/dlq-replayed-twice",
        _PLAN,
        "        if before := replay_of(letter, audit):\n            plan[1].append((letter, before))\n        elif why",
        "        if why",
        (_TESTS_OF_LETTERS,),
        "a replayed letter is replayed again",
    ),
    Fault(
        "wa/dlq-in-doubt-replayed",
        _PLAN,
        '    if letter.reason == "in_doubt_unresolved":\n        return "the customer may have the message, so a replay could send it twice: ask, then send a new message"\n',
        "",
        (_TESTS_OF_LETTERS,),
        "a replay sends again what the customer may have",
    ),
    Fault(
        "wa/dlq-replay-number",
        _PLAN,
        "str(letter.replays + 1)",
        "str(letter.replays)",
        (_TESTS_OF_LETTERS,),
        "a replay is ignored by the sender",
    ),
    Fault(
        "wa/dlq-message-id",
        _PLAN,
        'MESSAGE_ID: letter.message_id or ""}',
        'MESSAGE_ID: ""}',
        (_TESTS_OF_LETTERS,),
        "a replay is another send than the one that failed",
    ),
    Fault(
        "wa/dlq-audit-by-event",
        _PLAN,
        "    return Outgoing(topics.DLQ_AUDIT.name, entry.letter, encode(entry))",
        '    return Outgoing(topics.DLQ_AUDIT.name, entry.event_id or "", encode(entry))',
        (_TESTS_OF_LETTERS,),
        "the next operator does not find earlier replays",
    ),
    Fault(
        "wa/dlq-replay-without-audit",
        _REPLAYING,
        "for r in (record_of(letter), audit_of(letter, order, at))])",
        "for r in (record_of(letter),)])",
        (_TESTS_OF_DLQ,),
        "the audit record is missing, and the letter is replayed again",
    ),
    Fault(
        "wa/dlq-audit-not-read-again",
        _REPLAYING,
        "plan_for(letters, await read_audit(settings))",
        "plan_for(letters, {})",
        (_TESTS_OF_DLQ,),
        "two operators put the same letters back",
    ),
    Fault(
        "wa/erase-of-all-tenants",
        _SCOPE,
        "        if self.tenant is None:\n            return query\n        nameless",
        "        if True:\n            return query\n        nameless",
        (f"{_TESTS_OF_ERASE}::test_one_chatbot_alone",),
        "an erasure at one chatbot erases the person at all others",
    ),
    Fault(
        "wa/erase-log-of-all-tenants",
        _SCOPE,
        'numbers = {} if self.tenant is None else {"phoneNumberId": {"$in": sorted(self.tenant.numbers)}}',
        "numbers: Query = {}",
        (f"{_TESTS_OF_ERASE}::test_one_chatbot_alone",),
        "an erasure at one chatbot erases the log of all others",
    ),
    Fault(
        "wa/erase-parked-of-all-tenants",
        _SCOPE,
        'group = {} if self.tenant is None else {"group": self.tenant.chatbot}',
        "group: Query = {}",
        (f"{_TESTS_OF_ERASE}::test_one_chatbot_alone",),
        "an erasure at one chatbot drops what waits at all others",
    ),
    Fault(
        "wa/journal-restore-overwrites",
        _JOURNAL,
        '"state": {"$nin": sorted(ENDED)}, "at"',
        '"at"',
        (_TESTS_OF_JOURNAL,),
        "a restore from Kafka changes ends that the journal knows",
    ),
    Fault(
        "wa/erase-not-what-comes-meanwhile",
        "tools/wa/src/wa/erase/erasing.py",
        "later = await finder.later(found)",
        "later = None",
        (f"{_TESTS_OF_ERASE}::test_a_conversation_that_is_merged_into_hers_meanwhile_is_erased_too",),
        "a conversation that is merged while its person is erased stays",
    ),
    Fault(
        "wa/erase-not-what-came-last",
        "tools/wa/src/wa/erase/erasing.py",
        "if left := await finder.left(found):",
        "if (left := await finder.left(found)) and False:",
        (f"{_TESTS_OF_ERASE}::test_what_is_written_just_before_her_conversation_goes_is_erased_too",),
        "a message stays that was written just before its conversation was removed",
    ),
    Fault(
        "wa/erase-passes-over-milestones",
        "tools/wa/src/wa/erase/sweep.py",
        "            if milestones:  # of",
        "            if not milestones:  # of",
        ("tools/wa/tests/test_erase_sweep.py",),
        "one in 256 documents of a person stays",
    ),
    Fault(
        "wa/erase-takes-milestones-for-the-persons",
        "tools/wa/src/wa/erase/sweep.py",
        "                if not _is_milestone(document):\n",
        "                if True:\n",
        ("tools/wa/tests/test_erase_sweep.py",),
        "documents of other people are erased",
    ),
    Fault(
        "wa/erase-done-before-each-copy-is",
        "tools/wa/src/wa/erase/commands.py",
        "    _check_copies(behind)\n",
        "",
        (f"{_TESTS_OF_ERASE}::test_an_erasure_that_a_copy_has_yet_to_follow_is_not_called_done",),
        "an erasure is called done while a member that is away still has the person",
    ),
    Fault(
        "wa/erase-waits-for-a-copy-for-ever",
        "tools/wa/src/wa/erase/copies.py",
        "(now := loop.time()) < until:",
        "(now := loop.time()):",
        ("tools/wa/tests/test_erase_copies.py",),
        "one member that is gone stops every erasure",
        hangs=True,
    ),
)
