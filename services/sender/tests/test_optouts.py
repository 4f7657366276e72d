"""Who has stopped marketing messages: what is learnt of that, for which templates, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from common.contracts import messages
from common.contracts.envelope import encode
from sender.optouts import FORBIDDEN, OPTED_OUT, OptOuts
from sender.settle import Settler

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADA, BEA = "b|4915100000001", "b|4915100000002"


def at(**after):
    return NOW + timedelta(**after)


def learnt(*, later):
    """An offer that was refused to Ada, at once or by a status; a second offer to Bea; a receipt that nobody refused."""
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


def test_a_template_that_was_refused_to_anybody_is_marketing_for_all():
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
    known.failed("somebody else's", NOW)
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

    await Settler(Store(), None, told.append).handle([Record("failed"), Record("sent")])
    assert [status.status for status in told] == ["failed", "sent"]
