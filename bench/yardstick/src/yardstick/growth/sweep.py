"""Measures how the cost of a message changes with size, for every dimension, from small to large."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from yardstick.growth import backlogs
from yardstick.growth.dimensions import conversation_partitions, conversations, replicas, sender_partitions, tenants
from yardstick.growth.steps import Step, flatness
from yardstick.rig.rig import Rig, Say


@dataclass(frozen=True, slots=True)
class Extents:
    """The sizes of each dimension, the messages of each step, and how long, in s, a backlog is watched at most."""

    messages: int
    stored: Sequence[int]
    conversations: Sequence[int]
    tenants: Sequence[int]
    partitions: Sequence[int]
    replicas: Sequence[int]
    sends: Sequence[int]
    webhooks: Sequence[int]
    seconds: float

    @classmethod
    def full(cls) -> "Extents":
        """The sizes for a report. There are more webhooks than can be processed in the time."""
        return cls(
            messages=10_000,
            stored=(100_000, 300_000, 1_000_000),
            conversations=(100, 10_000, 100_000, 1_000_000),
            tenants=(1, 100, 10_000),
            partitions=(1, 6, 24),
            replicas=(1, 2, 4),
            sends=(100_000, 1_000_000),
            webhooks=(100_000, 1_000_000),
            seconds=240.0,
        )

    @classmethod
    def quick(cls) -> "Extents":
        """The sizes for a first impression."""
        return cls(
            messages=3_000,
            stored=(10_000, 30_000),
            conversations=(100, 10_000),
            tenants=(1, 200),
            partitions=(1, 6),
            replicas=(1, 2),
            sends=(20_000, 60_000),
            webhooks=(20_000,),
            seconds=60.0,
        )


async def growth(
    rig: Rig, quick: bool, say: Say, only: Collection[str] = ()
) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Measure all dimensions (or some), and yield each with its JSON when it is done."""
    extents = Extents.quick() if quick else Extents.full()
    dimensions: Mapping[str, Callable[[], Awaitable[list[Step]]]] = {
        "messages": partial(backlogs.messages, rig, extents.stored),
        "conversations": partial(conversations, rig, extents.conversations, extents.messages),
        "tenants": partial(tenants, rig, extents.tenants, extents.messages),
        "conversationPartitions": partial(conversation_partitions, rig, extents.partitions, extents.messages),
        "senderPartitions": partial(sender_partitions, rig, extents.partitions, extents.messages),
        "replicas": partial(replicas, rig, extents.replicas, extents.messages),
        "sendBacklog": partial(backlogs.sends, rig, extents.sends, extents.seconds),
        "webhookBacklog": partial(backlogs.webhooks, rig, extents.webhooks, min(extents.seconds, 30.0)),
    }
    for name, measure in dimensions.items():
        if only and name not in only:
            continue
        steps = await measure()
        for step in steps:
            say(told(name, step))
        say(f"{name}: the largest costs {flatness(steps):.2f} of the smallest")
        yield name, [asdict(step) for step in steps]


def told(name: str, step: Step) -> str:
    """A step as a line."""
    costs = f"{step.per_second:>9,.0f}/s  {step.cpu_us:>8,.1f} µs  {step.memory_mib:>6,.0f} MiB"
    return f"{name} {step.size:>9,}  {costs}" + "".join(f"  {key} {value:,.1f}" for key, value in step.extra.items())
