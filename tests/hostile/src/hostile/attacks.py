"""All attacks by name: what each does, and what the attacker gains. Each ends by itself within a minute."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hostile import floods, records, sockets
from hostile.crosstenant import naming
from hostile.crosstenant.claims import Finding
from hostile.crosstenant.numbers import claiming, number_changes_hands
from hostile.crosstenant.statuses import forged_statuses
from hostile.crosstenant.things import differences, picture, things_of
from hostile.tenants import Stage, Tenant

_SECONDS: Final = 58.0
_SOCKETS_AT: Final = ("ingress", "sender", "conversation", "accounts")


@dataclass(frozen=True, slots=True)
class Size:
    """The size of each attack: counts, bytes and seconds."""

    unstorable: int = 620
    references: int = 12
    statuses: int = 560
    garbage: int = 1_503
    odd_webhooks: int = 32
    connections: int = 1_400
    slow_seconds: float = 30.0
    endless_bytes: int = 32 * 1024 * 1024
    endless_seconds: float = 15.0
    unsigned: int = 100
    rounds: int = 2
    facts: int = 300
    batches: int = 24
    wrong_batches: int = 3
    verifications: int = 3_000
    uploads: int = 24
    upload_bytes: int = 30_000_000


FULL: Final = Size()
SHORT: Final = Size(
    unstorable=130,
    statuses=130,
    garbage=303,
    connections=400,
    slow_seconds=15.0,
    endless_bytes=8 * 1024 * 1024,
    unsigned=60,
    rounds=1,
    facts=200,
    batches=12,
    wrong_batches=1,
    verifications=600,
    uploads=8,
    upload_bytes=20_000_000,
)
"""For CI: large enough to reveal each known finding."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The attacker, the victim, and the system."""

    stage: Stage
    attacker: Tenant
    victim: Tenant
    size: Size


@dataclass(frozen=True, slots=True)
class Done:
    """The result of an attack: the number of blows, their results, and how many of them harmed another tenant directly.

    Effects on the good tenant's traffic are measured separately.
    """

    count: int
    achieved: str
    harm: int = 0
    details: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack."""

    name: str
    deed: Callable[[Sides], Awaitable[Done]]

    async def run(self, sides: Sides) -> Done:
        """Run the attack. A call that does not end in time is given up, which is also a result."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self.deed(sides)
        except TimeoutError:
            return Done(0, f"not ended after {_SECONDS:.0f} s")
        except Exception as error:  # noqa: BLE001  # a system that breaks under an attack is a result of the attack
            return Done(0, f"broke off: {error!r}"[:200])


def _told(findings: Sequence[Finding], what: str) -> Done:
    broken = [f"{one.case}: {one.seen}" for one in findings if not one.held]
    return Done(len(findings), f"{len(broken)} of {len(findings)} {what}", len(broken), broken)


async def _statuses(sides: Sides) -> Done:
    found = await forged_statuses(sides.stage, sides.attacker, sides.victim)
    return _told(found, "changed or showed what is the victim's")


async def _api(sides: Sides) -> Done:
    their = await things_of(sides.stage, sides.victim)
    before = await picture(sides.stage, sides.victim, their)
    found = await naming.over_the_api(sides.stage, sides.attacker, their)
    changed = differences(before, await picture(sides.stage, sides.victim, their))
    return _told([*found, Finding("what the victim has", not changed, ", ".join(changed))], "calls reached the victim")


async def _webhooks(sides: Sides) -> Done:
    their = await things_of(sides.stage, sides.victim)
    found = await naming.by_webhook(sides.stage, sides.attacker, sides.victim, their)
    taken = await naming.id_taken_before(sides.stage, sides.attacker, sides.victim)
    return _told([*found, taken], "webhooks changed or showed what is the victim's")


async def _topic(sides: Sides) -> Done:
    their = await things_of(sides.stage, sides.victim)
    return _told(
        await naming.by_topic(sides.stage, sides.attacker, sides.victim, their), "changed what is the victim's"
    )


async def _numbers(sides: Sides) -> Done:
    found = await number_changes_hands(sides.stage, sides.victim)
    claimed = await claiming(sides.stage, sides.attacker, sides.victim)
    return _told([*found, *claimed], "numbers were taken, or showed their history")


async def _unstorable(sides: Sides) -> Done:
    count = sides.size.unstorable
    return Done(2 * count, await records.unstorable(sides.stage, sides.attacker, count))


async def _references(sides: Sides) -> Done:
    count, statuses = sides.size.references, sides.size.statuses
    return Done(3 * count, await records.references(sides.stage, sides.attacker, count, statuses))


async def _garbage(sides: Sides) -> Done:
    count = sides.size.garbage
    return Done(2 * count, await records.garbage_records(sides.stage, sides.attacker, count))


async def _odd_webhooks(sides: Sides) -> Done:
    count = sides.size.odd_webhooks
    return Done(count, await records.strange_webhooks(sides.stage, sides.attacker, count))


async def _slow(sides: Sides) -> Done:
    addresses = [sockets.Address.of(sides.stage.system.urls[name]) for name in _SOCKETS_AT]
    each = max(1, sides.size.connections // len(addresses) // len(sockets.SLOW))
    left = await sockets.slow(addresses, sockets.SLOW, each=each, seconds=sides.size.slow_seconds)
    count, still = each * len(addresses) * len(sockets.SLOW), sum(left.values())
    return Done(count, f"{still} of {count} open after {sides.size.slow_seconds:.0f} s: {left}", still)


async def _endless(sides: Sides) -> Done:
    size, address = sides.size, sockets.Address.of(sides.stage.system.urls["ingress"])
    ends = await asyncio.gather(
        *(
            sockets.endless(address, first, again, seconds=size.endless_seconds, most=size.endless_bytes)
            for first, again in sockets.ENDLESS.values()
        )
    )
    cut = ["never cut off" if end.cut_after is None else f"cut off after {end.cut_after:.1f} s" for end in ends]
    told = [
        f"{name}: {end.sent / 1e6:.1f} MB taken, {how}"
        for name, end, how in zip(sockets.ENDLESS, ends, cut, strict=True)
    ]
    harm = sum(end.cut_after is None for end in ends)
    return Done(len(told), f"{harm} of {len(told)} never cut off", harm, told)


async def _unsigned(sides: Sides) -> Done:
    return Done(sides.size.unsigned, await floods.unsigned_bodies(sides.stage, sides.size.unsigned))


async def _signed(sides: Sides) -> Done:
    size = sides.size
    answers = await floods.signed_bodies(sides.stage, sides.attacker, rounds=size.rounds, facts=size.facts)
    return Done(7 * size.rounds, answers)


async def _batches(sides: Sides) -> Done:
    return Done(sides.size.batches, await floods.large_batches(sides.stage, sides.attacker, sides.size.batches))


async def _wrong(sides: Sides) -> Done:
    count = sides.size.wrong_batches
    return Done(count + 1, await floods.wrong_batches(sides.stage, sides.attacker, count))


async def _verifications(sides: Sides) -> Done:
    return Done(sides.size.verifications, await floods.verifications(sides.stage, sides.size.verifications))


async def _uploads(sides: Sides) -> Done:
    size = sides.size
    answers = await floods.uploads(sides.stage, sides.attacker, count=size.uploads, size=size.upload_bytes)
    return Done(size.uploads, answers)


async def _headers(sides: Sides) -> Done:
    return Done(18, await floods.large_headers(sides.stage, sides.attacker))


async def _quiet(_: Sides) -> Done:
    """The good tenant alone, for comparison."""
    await asyncio.sleep(10)
    return Done(0, "")


ALL: Final = (
    Attack("nothing", _quiet),
    Attack("forged statuses", _statuses),
    Attack("calls of the API", _api),
    Attack("webhooks that name", _webhooks),
    Attack("records that name", _topic),
    Attack("numbers", _numbers),
    Attack("metadata that cannot be stored", _unstorable),
    Attack("metadata with $ref", _references),
    Attack("garbage records", _garbage),
    Attack("odd webhooks", _odd_webhooks),
    Attack("slow connections", _slow),
    Attack("requests without an end", _endless),
    Attack("unsigned bodies of 2.8 MB", _unsigned),
    Attack("signed bodies that unfold", _signed),
    Attack("batches of 7.7 MB", _batches),
    Attack("batches of unknown fields", _wrong),
    Attack("verifications", _verifications),
    Attack("multipart uploads", _uploads),
    Attack("large headers", _headers),
)


def together(*names: str) -> Attack:
    """These attacks concurrently, as one attack. Raises `KeyError` for an unknown name."""
    by_name = {attack.name: attack for attack in ALL}
    chosen = [by_name[name] for name in names]

    async def deed(sides: Sides) -> Done:
        done = await asyncio.gather(*(attack.run(sides) for attack in chosen))
        told = [f"{attack.name}: {one.achieved}" for attack, one in zip(chosen, done, strict=True)]
        details = [detail for one in done for detail in one.details]
        return Done(sum(one.count for one in done), "; ".join(told), sum(one.harm for one in done), details)

    return Attack(", ".join(names), deed)
