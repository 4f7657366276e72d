"""The doctor's judgement of sends that wait in MongoDB for partitions that are not theirs. Pure."""

from typing import Final

from wa.doctor.findings import Finding, ok, problem, warning
from wa.partitions.parked import Astray

_ABOUT: Final = "waiting sends"
_REQUEUE: Final = "stop every sender and whatever writes to its topic, run `wa sends requeue`, and start them again"


def judge_sends(parked: Astray, scheduled_gone: int) -> list[Finding]:
    """Findings: sends of partitions that do not exist, and parked ones that later ones may overtake."""
    found = []
    if parked.gone:
        found.append(
            problem(
                _ABOUT,
                f"{parked.gone:,} are parked at partitions that do not exist: no process sends them",
                _REQUEUE,
            )
        )
    if parked.moved:
        found.append(
            warning(
                _ABOUT,
                f"{parked.moved:,} are parked where their chatbot's later sends do not go, and may be overtaken",
                _REQUEUE,
            )
        )
    if parked.older:
        found.append(
            warning(
                _ABOUT,
                f"{parked.older:,} are older than their topic, and later ones may overtake them",
                _REQUEUE,
            )
        )
    if scheduled_gone:
        found.append(
            warning(
                _ABOUT,
                f"{scheduled_gone:,} are scheduled at partitions that do not exist",
                "start sender, which takes them over within a minute; or run `wa sends requeue` while it is stopped",
            )
        )
    return found or [ok(_ABOUT, "each stands at the partition of its chatbot")]
