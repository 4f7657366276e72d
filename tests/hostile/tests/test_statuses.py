"""The cross-tenant table: no status of one tenant's number does anything to a send of another."""

import pytest

from hostile.crosstenant.claims import targets
from hostile.crosstenant.statuses import forged_statuses

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

LEAKS = [
    "leaks / threads of the attacker",
    "leaks / events under the attacker's name",
    "leaks / events of the victim with a forged wamid",
]


@pytest.fixture(scope="module")
async def findings(stage, attacker, victim):
    found = await forged_statuses(stage, attacker, victim)
    return {finding.case: finding for finding in found}


@pytest.mark.parametrize("case", [*(target.name for target in targets("t")), *LEAKS])
async def test_a_forged_status_changes_and_shows_nothing(findings, case):
    assert findings[case].held, findings[case].seen
