"""Bad records and hostile requests, short versions: the tenant beside them notices nothing, and memory stays bounded."""

import resource

import pytest

from hostile.attacks import ALL, SHORT, together
from hostile.trial import measured

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

# Some side by side, so that the whole takes little time. Those about what is another tenant's have tests of their own.
TOGETHER = {
    "bad records": ("metadata that cannot be stored", "metadata with $ref", "garbage records", "odd webhooks"),
    "endless requests": ("slow connections", "requests without an end", "verifications", "large headers"),
    "held bodies": ("unsigned bodies of 2.8 MB", "multipart uploads"),
    "large bodies": ("signed bodies that unfold", "batches of 7.7 MB", "batches of unknown fields"),
}
ELSEWHERE = {"nothing", "forged statuses", "calls of the API", "webhooks that name", "records that name", "numbers"}


def test_every_attack_has_its_test():
    assert {name for names in TOGETHER.values() for name in names} | ELSEWHERE == {attack.name for attack in ALL}


@pytest.fixture(scope="module", autouse=True)
def many_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 65_536), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("kind", TOGETHER)
async def test_attacks_harm_no_other_tenant(hostile_system, kind):
    row = await measured(together(*TOGETHER[kind]), hostile_system, SHORT)
    assert row.webhooks["count"] > 0
    assert row.sends["count"] > 0
    assert row.broken == [], (row.done.achieved, row.done.details)
