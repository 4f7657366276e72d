"""Every other way to name another tenant's message or number: over the API, by webhook, by topic, by registering."""

import pytest

from hostile.crosstenant.naming import by_topic, by_webhook, id_taken_before, over_the_api
from hostile.crosstenant.numbers import claiming, number_changes_hands
from hostile.crosstenant.things import picture, things_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
async def things(stage, victim):
    return await things_of(stage, victim)


def broken(findings):
    return [f"{finding.case}: {finding.seen}" for finding in findings if not finding.held]


async def test_no_call_of_the_api_reaches_another_tenant(stage, attacker, victim, things):
    before = await picture(stage, victim, things)
    assert all(before[name] for name in before)
    assert broken(await over_the_api(stage, attacker, things)) == []
    assert await picture(stage, victim, things) == before


async def test_no_webhook_of_another_number_changes_or_shows_a_message(stage, attacker, victim, things):
    assert broken(await by_webhook(stage, attacker, victim, things)) == []


async def test_an_id_that_another_number_has_used_loses_no_message(stage, attacker, victim):
    assert broken([await id_taken_before(stage, attacker, victim)]) == []


async def test_no_header_of_a_record_reaches_another_tenants_send(stage, attacker, victim, things):
    assert broken(await by_topic(stage, attacker, victim, things)) == []


async def test_the_history_of_a_number_stays_with_its_previous_owner(stage, victim):
    assert broken(await number_changes_hands(stage, victim)) == []


async def test_a_bound_key_takes_no_number_without_proof(stage, attacker, victim):
    assert broken(await claiming(stage, attacker, victim)) == []
