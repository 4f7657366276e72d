"""Bad input is answered with what is wrong about it, on every route; and the gateway shows nothing that it does not route."""

import pytest

from hostile.edges.inputs import every, methods
from hostile.edges.probing import compressed, escaped, probed, without_allow
from hostile.machine import Machine
from hostile.tenants import ATTACKER, CHATBOTS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
async def probes(stage, attacker):
    wamid = await stage.client.says("491790000003", attacker.number, "hello")
    assert await stage.stored([wamid], attacker) == []
    conversation = (await stage.call("GET", f"/messages/{wamid}", attacker.key)).json()["data"]["conversationId"]
    return every(attacker.chatbot_id, conversation, CHATBOTS[ATTACKER][5])


async def test_no_input_is_answered_with_500(stage, hostile_system, probes):
    async with Machine(hostile_system) as machine:
        assert await probed(stage, probes) == []
    assert machine.seen.failures == {}
    assert machine.seen.not_ready == []


async def test_nor_through_the_gateway(stage, hostile_system, probes):
    assert await probed(stage, probes[::3], base=hostile_system.urls["gateway"]) == []


@pytest.mark.parametrize("through", ["the service", "the gateway"])
async def test_a_wrong_method_is_told_the_right_ones(stage, hostile_system, attacker, through):
    base = hostile_system.urls["gateway"] if through == "the gateway" else None
    assert await without_allow(stage, methods(attacker.chatbot_id), base=base) == []


async def test_no_path_leaves_its_route(stage, hostile_system, attacker):
    for key in (hostile_system.secret.internal_key, hostile_system.secret.api_key):
        assert await escaped(stage, attacker, key=key) == []


async def test_a_compressed_body_passes_the_gateway_unchanged(stage, attacker):
    answer = await compressed(stage, attacker)
    assert (answer.status, answer.text) == (200, '{"success":true}')
