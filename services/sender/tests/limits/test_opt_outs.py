"""Who has stopped marketing messages: what is learnt of that, for which templates, and for how long."""

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest

from common.contracts import messages
from common.contracts.envelope import encode
from common.errors import Unavailable
from common.meta.errors import OPTED_OUT
from sender.delivery.doubt.reconcile import StatusReconciler
from sender.limits.opt_out_lookup import OptOutLookup
from sender.limits.opt_outs import FORBIDDEN, OptOuts

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EVENT_OF = partial(
    messages.MessageStatus,
    id="e",
    type=messages.STATUS,
    version=1,
    occurred_at=NOW,
    recorded_at=NOW,
    correlation_id="c",
)
ADA, BEA = "b|4915100000001", "b|4915100000002"


def at(**after):
    return NOW + timedelta(**after)


def learnt(*, later):
    """An offer that was refused to Ada, at once or by a status; a second offer to Bea; a receipt that no person refused."""
    known = OptOuts()
    known.sent("j1", "b", ADA, "offer")
    known.sent("j2", "b", BEA, "offer two")
    if later:
        known.failed("j1", NOW)
    else:
        known.refused("b", ADA, "offer", NOW)
    return known


@pytest.mark.parametrize("later", [True, False])
def test_only_marketing_templates_to_the_person_are_forbidden(later):
    known = learnt(later=later)
    assert known.forbids("b", ADA, "offer", NOW)
    assert not known.forbids("b", ADA, "receipt", NOW)
    assert not known.forbids("b", BEA, "offer", NOW)
    assert not known.forbids("another", ADA, "offer", NOW)


def test_a_template_that_was_refused_to_one_person_is_marketing_for_all():
    known = learnt(later=True)
    assert not known.forbids("b", ADA, "offer two", NOW)
    known.failed("j2", NOW)
    assert known.forbids("b", ADA, "offer two", NOW)


def test_it_ends_when_the_person_writes_or_after_a_week():
    known = learnt(later=True)
    assert known.forbids("b", ADA, "offer", at(days=6))
    assert not known.forbids("b", ADA, "offer", at(days=7))
    known.wrote(ADA)
    assert not known.forbids("b", ADA, "offer", NOW)
    assert known.since(ADA) is None


def test_a_status_of_a_send_that_is_not_known_teaches_nothing():
    known = learnt(later=True)
    known.failed("another sender's", NOW)
    known.failed("", NOW)
    assert known.since(BEA) is None
    assert FORBIDDEN.reason == "recipient_opted_out"


async def test_every_status_is_told_of_also_one_without_a_wamid():
    told = []

    class Store:
        async def unsettled_among(self, _ids, _failed):
            return []

    class Record:
        offset = 0

        def __init__(self, status):
            error = messages.MetaError(code=OPTED_OUT)
            data = messages.StatusData(status=status, delivery_status=status, journal_id="j", error=error)
            self.value = encode(
                messages.MessageStatus(
                    id="e",
                    type=messages.STATUS,
                    version=1,
                    occurred_at=NOW,
                    recorded_at=NOW,
                    correlation_id="c",
                    data=data,
                )
            )

    await StatusReconciler(Store(), None, told.append).handle([Record("failed"), Record("sent")])
    assert [status.status for status in told] == ["failed", "sent"]


class Journal:
    """What other processes have written."""

    def __init__(self, people, templates):
        self.people, self.templates, self.asked, self.away = people, templates, [], False

    async def of(self, lanes):
        self.asked += lanes
        if self.away:
            raise Unavailable("away", code="mongo_unavailable")
        return [self.people.get(lane) for lane in lanes]

    async def marketing(self, _since):
        self.asked.append("templates")
        if self.away:
            raise Unavailable("away", code="mongo_unavailable")
        return self.templates


async def test_what_another_process_has_learnt_is_looked_up_for_marketing_templates_alone():
    known, journal = OptOuts(), Journal({ADA: NOW}, [("b", "offer")])
    lookup = OptOutLookup(journal, known)
    await lookup.learn("b", BEA, "receipt", NOW)
    await lookup.learn("another", BEA, "offer", NOW)
    assert journal.asked == ["templates"]
    await lookup.learn("b", ADA, "offer", NOW)
    await lookup.learn("b", BEA, "offer", NOW)
    await lookup.learn("b", ADA, "offer", NOW)  # it is known now
    assert journal.asked == ["templates", ADA, BEA]
    assert known.forbids("b", ADA, "offer", at(days=6))
    assert not known.forbids("b", ADA, "offer", at(days=7))
    assert not known.forbids("b", BEA, "offer", NOW)
    journal.templates = [("b", "receipt")]
    await lookup.learn("b", ADA, "receipt", at(seconds=59))
    assert not known.is_marketing("b", "receipt")
    await lookup.learn("b", ADA, "receipt", at(seconds=60))
    assert known.is_marketing("b", "receipt")
    await lookup.close()


async def test_while_the_journal_is_away_meta_decides():
    known, journal = OptOuts(), Journal({ADA: NOW}, [("b", "offer")])
    lookup, journal.away = OptOutLookup(journal, known), True
    await lookup.learn("b", ADA, "offer", NOW)
    known.learn_template("b", "offer")
    await lookup.learn("b", ADA, "offer", NOW)
    assert not known.forbids("b", ADA, "offer", NOW)
    await lookup.close()


async def test_the_journal_is_told_of_opt_outs_and_of_no_other_status():
    noted = []

    async def note(status, _now):
        noted.append((status.status, status.error and status.error.code))

    class Store:
        async def unsettled_among(self, _ids):
            return []

    def record(status, code, journal="j"):
        data = messages.StatusData(
            status=status, delivery_status=status, journal_id=journal, error=code and messages.MetaError(code=code)
        )
        return SimpleNamespace(offset=0, value=encode(EVENT_OF(data=data)))

    batch = [
        record("failed", OPTED_OUT),
        record("failed", 131026),
        record("sent", None),
        record("failed", OPTED_OUT, None),
    ]
    await StatusReconciler(Store(), None, on_opted_out=note).handle(batch)
    assert noted == [("failed", OPTED_OUT)]
