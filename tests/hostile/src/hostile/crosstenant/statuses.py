"""Forged statuses for sends of another tenant in every state, and how those sends ended."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from hostile.crosstenant.claims import SECRET, Finding, Known, Target, callback_of, targets, wamid_of
from hostile.payloads import Json, batch, message, public_journal_id, send, status, value_of, webhook
from hostile.tenants import Stage, Tenant
from hostile.topics import read_topic
from testbed.client import eventually

_SETTLE_SECONDS: Final = 1.5
_TOGETHER: Final = 25
# The states that end a send before the forgeries come: its record must stay as it was. And its delivery status then.
_COMPARED: Final = {"accepted": "sent", "failed": "failed"}


async def forged_statuses(stage: Stage, attacker: Tenant, victim: Tenant) -> list[Finding]:
    """Send forged statuses for every target, and judge each by the store and the phone at the end."""
    tag = f"{SECRET}-{uuid.uuid4().hex[:6]}"
    every = targets(tag)
    own = await _own_send(stage, attacker)
    early = [target for target in every if target.state == "before"]
    await _forge(stage, attacker, victim, early, own)
    await _arrived(stage, attacker, early)
    await _set_scene(stage, every)
    await _send(stage, victim, every)
    await asyncio.gather(*(_reach_state(stage, victim, target) for target in every))
    before = await _views(stage, victim, every)
    late = [target for target in every if target.state != "before"]
    await _forge(stage, attacker, victim, late, own)
    await _arrived(stage, attacker, late)
    # sender reads the statuses that conversation publishes. It has this time to believe the forgeries, while faults are on.
    await asyncio.sleep(_SETTLE_SECONDS)
    await stage.client.control("DELETE", "faults")
    await asyncio.gather(*(_come_to_rest(stage, victim, target) for target in every))
    findings = await _judged(stage, victim, every, before)
    return [*findings, *await _leaks(stage, attacker, victim, every, tag)]


async def _own_send(stage: Stage, attacker: Tenant) -> tuple[str, str]:
    """Genuine callback data of the attacker, and the journal id in it."""
    message_id = f"own-{uuid.uuid4().hex[:8]}"
    phone = f"49171{uuid.uuid4().int % 10**7:07d}"
    await stage.call("POST", "/send", attacker.key, send(attacker.chatbot_id, phone, message_id))

    async def there() -> str | None:
        received = await stage.client.received(phone=phone, phoneNumberId=attacker.number)
        return str(received[0]["callbackData"]) if received else None

    callback = str(await eventually("the attacker's own send arrives", there))
    return callback, public_journal_id(attacker.chatbot_id, message_id)


async def _set_scene(stage: Stage, every: Sequence[Target]) -> None:
    """Meta's fault for each target: none, a repeated failure, a lost answer without statuses, or a refusal."""
    faults: dict[str, list[Json]] = {
        # A code that is retried, and does not look like an outage of Meta.
        "retrying": [{"kind": "error", "code": 139102}],
        "in_doubt": [{"kind": "lose_answer"}, {"kind": "drop_status"}],
        "failed": [{"kind": "error", "code": 131026}],
    }
    rules = []
    for target in every:
        for fault in faults.get(target.state, ()):
            once = {"times": 1} if fault["kind"] == "lose_answer" else {}
            rules.append({"match": {"to": target.phone}, "fault": fault, **once})
        if target.state == "accepted":
            await stage.client.control("POST", "customers", {"phone": target.phone, "offline": True})
    await stage.client.control("POST", "faults", {"rules": rules})


async def _send(stage: Stage, victim: Tenant, every: Sequence[Target]) -> None:
    items = [
        send(victim.chatbot_id, one.phone, one.message_id, metadata={"canary": f"{SECRET} {one.message_id}"})
        for one in every
    ]
    answer = await stage.call("POST", "/send/batch", victim.key, batch(victim.chatbot_id, items))
    assert answer.status == 200, answer


async def _reach_state(stage: Stage, victim: Tenant, target: Target) -> None:
    async def reached() -> bool:
        if target.state == "before":
            return bool((await stage.standing(victim, target.message_id)).get("state"))
        if target.state in _COMPARED:
            # Statuses may come before the result of their send, which alone has the request.
            stored = await stage.message(victim, target.message_id)
            return "request" in stored and stored.get("deliveryStatus") == _COMPARED[target.state]
        waits = "queued" if target.state == "retrying" else target.state
        return (await stage.standing(victim, target.message_id)).get("state") == waits

    await eventually(f"{target.name} is reached", reached, seconds=20, pause=0.2)


async def _views(stage: Stage, victim: Tenant, every: Sequence[Target]) -> dict[str, Json]:
    views = await asyncio.gather(*(stage.message(victim, target.message_id) for target in every))
    return {target.message_id: view for target, view in zip(every, views, strict=True)}


async def _forge(stage: Stage, attacker: Tenant, victim: Tenant, about: Sequence[Target], own: tuple[str, str]) -> None:
    """Deliver the statuses, on the attacker's number and signed by Meta, some in each webhook."""
    ledger = {entry["phone"]: entry for entry in await stage.client.received(phoneNumberId=victim.number)}
    statuses = []
    for target in about:
        entry = ledger.get(target.phone, {})
        known = Known(victim.chatbot_id, *own, callback=entry.get("callbackData"), wamid=entry.get("wamid"))
        callback, wamid = callback_of(target, known), wamid_of(target, known)
        statuses.append(status(wamid, target.word, target.phone, int(time.time()), callback))
    for start in range(0, len(statuses), _TOGETHER):
        value = value_of(attacker.number, statuses=statuses[start : start + _TOGETHER])
        answer = await stage.deliver(webhook(attacker.waba, value))
        assert answer.status == 200, answer


async def _arrived(stage: Stage, attacker: Tenant, about: Sequence[Target]) -> None:
    """Wait until the statuses have been read, with later messages of the same people in each partition."""
    run = uuid.uuid4().hex[:6]
    wamids = [f"wamid.fence-{run}-{number}" for number in range(len(about))]
    told = [message(wamid, one.phone, int(time.time())) for wamid, one in zip(wamids, about, strict=True)]
    for start in range(0, len(told), _TOGETHER):
        await stage.deliver(webhook(attacker.waba, value_of(attacker.number, messages=told[start : start + _TOGETHER])))
    left = await stage.stored(wamids, attacker)
    assert not left, f"{len(left)} of the attacker's own messages were not stored"


async def _come_to_rest(stage: Stage, victim: Tenant, target: Target) -> None:
    """Wait until the send has ended and its last status is stored. The verdict finds sends that do not end."""
    want = _COMPARED.get(target.state, "read")

    async def rests() -> bool:
        return (await stage.message(victim, target.message_id)).get("deliveryStatus") == want

    await _patiently(rests)


async def _patiently(condition: Callable[[], Awaitable[bool]], seconds: float = 25.0) -> bool:
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.3)
    return True


async def _judged(stage: Stage, victim: Tenant, every: Sequence[Target], before: dict[str, Json]) -> list[Finding]:
    after = await _views(stage, victim, every)
    ledger: dict[str, list[Json]] = {}
    for entry in await stage.client.received(phoneNumberId=victim.number):
        ledger.setdefault(entry["phone"], []).append(entry)
    return [
        judged(target, before[target.message_id], after[target.message_id], ledger.get(target.phone, []))
        for target in every
    ]


def judged(target: Target, before: Json, after: Json, received: Sequence[Json]) -> Finding:
    """Whether a send ended as if no status had been forged. Pure. `received` is what its phone got."""
    # After a lost answer Meta has the message and sends no status, so it is sent again after the doubt window.
    copies = {"accepted": 1, "before": 1, "retrying": 1, "in_doubt": 2, "failed": 0}[target.state]
    word = _COMPARED.get(target.state, "read")
    wamids = {entry["wamid"] for entry in received}
    problems = []
    if len(received) != copies:
        problems.append(f"the phone received {len(received)}, not {copies}")
    if after.get("deliveryStatus") != word:
        problems.append(f"it is `{after.get('deliveryStatus')}`, not `{word}`")
    if target.state in _COMPARED and before != after:
        problems.append("its record was changed")
    if after.get("wamid") is not None and after["wamid"] not in wamids:
        problems.append(f"its wamid is {after['wamid']}")
    return Finding(target.name, not problems, "; ".join(problems))


async def _leaks(stage: Stage, attacker: Tenant, victim: Tenant, every: Sequence[Target], tag: str) -> list[Finding]:
    """The victim's data that the attacker's key can read, or that is in events of the attacker's chatbot."""
    shown = await stage.everything(attacker)
    told = [record for _, record in await read_topic(stage.kafka, "message-status") if record is not None]
    journals = {public_journal_id(victim.chatbot_id, target.message_id): target for target in every}
    foreign = [event["data"] for event in told if event["data"].get("chatbotId") != victim.chatbot_id]
    named = [data for data in foreign if data.get("journalId") in journals or tag in str(data)]
    forged = [
        event["data"]["wamid"]
        for event in told
        if event["data"].get("chatbotId") == victim.chatbot_id
        and str(event["data"].get("wamid")).startswith("wamid.forged-")
    ]
    seen = [f"{shown[max(0, at - 40) : at + 40]}" for at in [shown.find(tag)] if at >= 0]
    return [
        Finding("leaks / threads of the attacker", not seen, "; ".join(seen)),
        Finding("leaks / events under the attacker's name", not named, f"{len(named)} events" if named else ""),
        Finding("leaks / events of the victim with a forged wamid", not forged, f"{len(forged)}" if forged else ""),
    ]
