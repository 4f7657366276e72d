"""Waiting for a condition ends with what did not happen."""

import pytest

from testbed.client import StepFailed, eventually


async def test_waiting_ends_with_what_did_not_happen():
    async def never():
        return None

    with pytest.raises(StepFailed, match="the moon: did not happen within 0 s"):
        await eventually("the moon", never, seconds=0.05, pause=0.01)
