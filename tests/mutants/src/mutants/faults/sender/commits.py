"""Faults in a session of the sender: calls, ends, the store, and what is committed."""

from typing import Final

from mutants.fault import Fault

_DISPATCHER: Final = "services/sender/src/sender/worker/dispatcher.py"
_EFFECTS: Final = "services/sender/src/sender/worker/effects.py"
_STORAGE: Final = "services/sender/src/sender/worker/storage.py"
_READER: Final = "services/sender/src/sender/worker/reader.py"
_INTAKE: Final = "services/sender/src/sender/worker/intake/intake.py"
_WORKER: Final = "services/sender/src/sender/worker/worker.py"
_SESSION: Final = "services/sender/src/sender/worker/session.py"
_PREFIX: Final = "services/sender/src/sender/worker/offsets.py"
_COMMITS: Final = "services/sender/src/sender/worker/commits.py"
_TESTS_OF_SESSIONS: Final = "services/sender/tests/worker/test_session.py"

FAULTS: Final = (
    Fault(
        "sender/session-ticket-not-closed",
        _DISPATCHER,
        "        finally:\n            reservation.close()\n",
        "        finally:\n            pass\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_step_without_a_call_gives_its_place_in_the_pace_back",),
        "each step without a call takes one from its number's pace for ever",
    ),
    Fault(
        "sender/session-ticket-not-closed-on-failure",
        _DISPATCHER,
        "        try:\n"
        "            step = await self._delivery.step(\n"
        "                job,\n"
        "                owner=self._owner,\n"
        "                strikes=item.strikes,\n"
        "                look=look,\n"
        "                doubted=doubted,\n"
        "                ends=ends,\n"
        "                calling=reservation.used,\n"
        "            )\n"
        "        finally:\n"
        "            reservation.close()\n",
        "        step = await self._delivery.step(\n"
        "            job,\n"
        "            owner=self._owner,\n"
        "            strikes=item.strikes,\n"
        "            look=look,\n"
        "            doubted=doubted,\n"
        "            ends=ends,\n"
        "            calling=reservation.used,\n"
        "        )\n"
        "        reservation.close()\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_step_that_fails_gives_its_place_in_the_pace_and_its_slot_back",),
        "a session that fails leaves its number slower",
    ),
    Fault(
        "sender/session-strikes-not-told",
        _DISPATCHER,
        "strikes=item.strikes,",
        "strikes=0,",
        (f"{_TESTS_OF_SESSIONS}::test_what_was_deferred_is_tried_again_in_its_time_and_says_how_often",),
        "a throttled conversation is tried again and again at the same pace",
    ),
    Fault(
        "sender/session-breaker-not-begun",
        _DISPATCHER,
        "            breaker.began(found.id)\n",
        "",
        (f"{_TESTS_OF_SESSIONS}::test_the_breaker_is_told_when_each_call_begins_and_ends",),
        "in an outage there is no one probe",
    ),
    Fault(
        "sender/session-breaker-not-ended",
        _DISPATCHER,
        "        self._breaker.ended(send, self._now())\n",
        "",
        (f"{_TESTS_OF_SESSIONS}::test_the_breaker_is_told_when_each_call_begins_and_ends",),
        "a probe that ends without a call is waited for, for ever",
    ),
    Fault(
        "sender/session-breaker-not-asked",
        _DISPATCHER,
        "            away = breaker.wait(self._now())\n",
        "            away = 0.0\n",
        (f"{_TESTS_OF_SESSIONS}::test_while_meta_is_away_nothing_is_called_and_when_it_is_back_all_goes",),
        "in an outage every send is tried",
    ),
    Fault(
        "sender/session-slot-not-released-after-step",
        _DISPATCHER,
        "        self._permits.release()\n        self._changed.set()\n",
        "        self._changed.set()\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_step_that_fails_gives_its_place_in_the_pace_and_its_slot_back",),
        "after as many sends as there are slots nothing more is sent",
    ),
    Fault(
        "sender/session-slot-not-released-when-idle",
        _DISPATCHER,
        "            if not isinstance(found, Item):\n                permits.release()\n",
        "            if not isinstance(found, Item):\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_number_is_let_go_as_a_whole_when_meta_answers",),
        "slots run out while there is nothing to send",
    ),
    Fault(
        "sender/session-pair-not-counted",
        _EFFECTS,
        "            rates.sent(item.lane, self._now())\n",
        "            pass\n",
        (f"{_TESTS_OF_SESSIONS}::test_what_meta_took_counts_for_the_pace_of_its_recipient",),
        "the limit per recipient is run into",
    ),
    Fault(
        "sender/session-pair-counted-for-failures",
        _EFFECTS,
        "step.recorded and isinstance(outcome, Sent | InDoubt):",
        "step.recorded:",
        (f"{_TESTS_OF_SESSIONS}::test_what_meta_took_counts_for_the_pace_of_its_recipient",),
        "failures slow a conversation down",
    ),
    Fault(
        "sender/session-too-fast-not-heeded",
        _EFFECTS,
        "            rates.number(item.tenant).throttled(self._now())\n",
        "            pass\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_number_that_is_too_fast_goes_slower",),
        "a number that is throttled goes on as fast",
    ),
    Fault(
        "sender/session-drain-not-waited-for",
        _SESSION,
        "            await self._dispatcher.finish_steps()\n",
        "            await cancel(self.state.steps)\n",
        (f"{_TESTS_OF_SESSIONS}::test_calls_under_way_are_finished_and_committed_when_the_session_is_to_end",),
        "every restart puts the calls under way in doubt",
    ),
    Fault(
        "sender/session-drain-without-limit",
        _DISPATCHER,
        "timeout=self._drain_seconds)",
        "timeout=None)",
        (f"{_TESTS_OF_SESSIONS}::test_a_call_that_does_not_end_in_time_is_cut_off_and_not_committed",),
        "a call that hangs keeps a revoked partition",
    ),
    Fault(
        "sender/session-not-discarded",
        _SESSION,
        "            self._commits.abandon()\n",
        "            pass\n",
        (f"{_TESTS_OF_SESSIONS}::test_when_a_step_fails_the_calls_under_way_are_finished_and_nothing_is_committed",),
        "a session that failed commits after its failure",
    ),
    Fault(
        "sender/session-always-discarded",
        _SESSION,
        "        if self._tasks.failed.done():\n            self._commits.abandon()\n",
        "        self._commits.abandon()\n",
        (f"{_TESTS_OF_SESSIONS}::test_calls_under_way_are_finished_and_committed_when_the_session_is_to_end",),
        "what ended during a shutdown is sent or told of again",
    ),
    Fault(
        "sender/session-failure-not-raised",
        _SESSION,
        "        self._tasks.raise_failure()\n",
        "",
        (
            f"{_TESTS_OF_SESSIONS}::test_when_the_limit_of_dead_letters_is_passed_the_send_that_does_it_is_not_committed",
        ),
        "a session that failed is not opened again: its partition stops",
    ),
    Fault(
        "sender/session-parked-not-awaited",
        _STORAGE,
        "        await self._store(self.parking.park(items))\n",
        "        self._state.tasks.start(self.parking.park(items), 'park')\n",
        (
            f"{_TESTS_OF_SESSIONS}::test_what_waits_long_is_stored_before_its_record_is_committed_and_taken_out_after_its_end",
        ),
        "a record is committed before its send is in the store",
    ),
    Fault(
        "sender/session-parked-not-committed",
        _STORAGE,
        "            self._state.commits.write(CommitEntry(self._queued_events.of_parked(item), item.partition, item.offset))\n",
        "            pass\n",
        (
            f"{_TESTS_OF_SESSIONS}::test_what_waits_long_is_stored_before_its_record_is_committed_and_taken_out_after_its_end",
        ),
        "a parked send holds the commit position back",
    ),
    Fault(
        "sender/session-parked-not-removed",
        _EFFECTS,
        "        parked = (item.id, item.parked) if item.parked is not None else None\n",
        "        parked = None\n",
        (
            f"{_TESTS_OF_SESSIONS}::test_what_waits_long_is_stored_before_its_record_is_committed_and_taken_out_after_its_end",
        ),
        "sends that have ended stay in the store and are loaded again",
    ),
    Fault(
        "sender/session-unparked-not-told",
        _SESSION,
        '        self._tasks.start(self._parking.remove(sends), f"unpark {self._slot}")\n',
        "        pass\n",
        (
            f"{_TESTS_OF_SESSIONS}::test_what_waits_long_is_stored_before_its_record_is_committed_and_taken_out_after_its_end",
        ),
        "sends that have ended stay in the store",
    ),
    Fault(
        "sender/session-not-swept",
        _STORAGE,
        "        if leaving:\n",
        "        if False:\n",
        (
            f"{_TESTS_OF_SESSIONS}::test_what_waits_long_is_stored_before_its_record_is_committed_and_taken_out_after_its_end",
        ),
        "what waits long is in no place at all",
    ),
    Fault(
        "sender/session-scheduled-not-awaited",
        _STORAGE,
        "        await self._store(self.scheduler.put([job for _, job in sends]))\n",
        "        self._state.tasks.start(self.scheduler.put([job for _, job in sends]), 'put')\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_scheduled_send_is_stored_before_its_record_is_committed_and_released_once",),
        "a record is committed before its scheduled send is in the store",
    ),
    Fault(
        "sender/session-scheduled-not-committed",
        _STORAGE,
        "            self._state.commits.write(CommitEntry(self._queued_events.of_scheduled(job), tp, job.position.offset))\n",
        "            pass\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_scheduled_send_stays_in_its_store_until_its_release_is_committed",),
        "a scheduled send holds the commit position back until a restart",
    ),
    Fault(
        "sender/session-released-not-removed",
        _SESSION,
        '        self._tasks.start(self._scheduler.removed(sends), f"released {self._slot}")\n',
        "        pass\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_scheduled_send_is_stored_before_its_record_is_committed_and_released_once",),
        "a scheduled send is released again after each restart",
    ),
    Fault(
        "sender/session-released-without-commit",
        _SESSION,
        "        self._commits.write(CommitEntry((record,), released=send))\n",
        "        self._commits.write(CommitEntry((record,)))\n        self._remove_scheduled([send])\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_scheduled_send_stays_in_its_store_until_its_release_is_committed",),
        "a scheduled send is lost when its release is not committed",
    ),
    Fault(
        "sender/session-schedule-does-not-run",
        _SESSION,
        '        releasing = self._tasks.start(self._scheduler.run(), f"schedule {self._slot}")\n',
        "        releasing = self._tasks.start(asyncio.sleep(3600), 'nothing')\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_scheduled_send_is_stored_before_its_record_is_committed_and_released_once",),
        "scheduled sends never go",
    ),
    Fault(
        "sender/session-superfluous-not-committed",
        _INTAKE,
        "        if superfluous is not None:\n            self._effects.finish_record(superfluous)\n",
        "",
        (f"{_TESTS_OF_SESSIONS}::test_two_records_of_one_send_are_one_send_and_both_are_committed",),
        "a repeated request holds the commit position back for ever",
    ),
    Fault(
        "sender/session-paces-not-learnt",
        _READER,
        "        await self._learn_rates()\n",
        "",
        (f"{_TESTS_OF_SESSIONS}::test_the_pace_of_a_number_is_learnt_from_its_last_owner_and_only_by_its_new_one",),
        "a change of owner passes the limit of a number",
    ),
    Fault(
        "sender/session-paces-of-others-learnt",
        _READER,
        "[sent for sent in recent if self._state.owns(sent.chatbot_id)]",
        "list(recent)",
        (f"{_TESTS_OF_SESSIONS}::test_the_pace_of_a_number_is_learnt_from_its_last_owner_and_only_by_its_new_one",),
        "a process keeps the paces of numbers that are not its own",
    ),
    Fault(
        "sender/session-account-change-not-heeded",
        _WORKER,
        "            session.release(chatbot_id)\n",
        "            pass\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_number_that_is_refused_waits_as_a_whole_until_its_account_changes",),
        "a new token is not tried before the pause is over",
    ),
    Fault(
        "sender/session-account-change-opens-all",
        _SESSION,
        "        self.lanes.holds.probe_now(chatbot_id, self._now().timestamp())\n",
        "        for tenant in list(self.lanes.memory.by_tenant()):\n"
        "            self.lanes.holds.probe_now(tenant, self._now().timestamp())\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_number_that_is_refused_waits_as_a_whole_until_its_account_changes",),
        "a change of one account has all held numbers tried",
    ),
    Fault(
        "sender/session-meta-back-not-heeded",
        _WORKER,
        "        for session in self.sessions:\n            session.look_again()\n",
        "",
        (f"{_TESTS_OF_SESSIONS}::test_while_meta_is_away_nothing_is_called_and_when_it_is_back_all_goes",),
        "after an outage the sends of a process begin late",
    ),
    Fault(
        "sender/session-one-owner",
        _SESSION,
        "        self.owner = uuid.uuid4().hex\n",
        "        self.owner = kafka.slot\n",
        (f"{_TESTS_OF_SESSIONS}::test_each_session_has_an_owner_of_its_own",),
        "a session takes its predecessor's claims for its own",
    ),
    Fault(
        "sender/commits-past-the-unfinished",
        _PREFIX,
        "        return next(iter(self.outstanding)) if self.outstanding else self.last + 1\n",
        "        return self.last + 1\n",
        (f"{_TESTS_OF_SESSIONS}::test_nothing_is_committed_past_a_send_that_has_not_ended",),
        "offsets of sends that have not ended are committed: a restart loses them",
    ),
    Fault(
        "sender/commits-unparked-before",
        _COMMITS,
        "        await self._session.commit(outgoing, self._offsets())\n"
        "        unparked = [entry.parked for entry in batch if entry.parked is not None]\n"
        "        if unparked:\n"
        "            self._on_unparked(unparked)\n",
        "        unparked = [entry.parked for entry in batch if entry.parked is not None]\n"
        "        if unparked:\n"
        "            self._on_unparked(unparked)\n"
        "        await self._session.commit(outgoing, self._offsets())\n",
        (
            f"{_TESTS_OF_SESSIONS}::test_what_waits_long_is_stored_before_its_record_is_committed_and_taken_out_after_its_end",
        ),
        "a parked send whose result was not committed is lost",
    ),
    Fault(
        "sender/commits-released-before",
        _COMMITS,
        "        await self._session.commit(outgoing, self._offsets())\n",
        "        early = [effect.released for effect in batch if effect.released is not None]\n        if early:\n            self._on_released(early)\n        await self._session.commit(outgoing, self._offsets())\n",
        (f"{_TESTS_OF_SESSIONS}::test_a_scheduled_send_stays_in_its_store_until_its_release_is_committed",),
        "a scheduled send whose release was not committed is lost",
    ),
)
