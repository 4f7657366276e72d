"""Bad records and hostile requests, short versions: the tenant beside them notices nothing, and memory stays bounded."""

import resource

import pytest

from hostile.attacks import ALL, SHORT
from hostile.trial import measured

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

# Those about what is another tenant's have tests of their own, case by case.
ELSEWHERE = {"nothing", "forged statuses", "calls of the API", "webhooks that name", "records that name", "numbers"}
HERE = {attack.name: attack for attack in ALL if attack.name not in ELSEWHERE}


@pytest.fixture(scope="module", autouse=True)
def many_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 65_536), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("name", HERE)
async def test_an_attack_harms_nobody_else(hostile_system, name):
    row = await measured(HERE[name], hostile_system, SHORT)
    assert row.webhooks["count"] > 0
    assert row.sends["count"] > 0
    assert row.broken == [], (row.done.achieved, row.done.details)
