"""The schedule of faults: drawn from a seed, so that a run can be repeated. Pure.

What the faults may do to each other is kept by construction: Kafka keeps two of three nodes, MongoDB its majority, ingress
one replica; a consumer group has time to come back before it is hit again, because a group that never works proves nothing.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

STORMS: Final[Mapping[str, int]] = {
    "lose_answer": 8,
    "reset": 5,
    "http_5xx": 6,
    "error": 5,
    "throttle": 5,
    "slow": 5,
    "duplicate": 6,
    "reorder": 5,
    "batch": 5,
    "delay": 4,
}
_DEEDS: Final[Mapping[tuple[str, str], int]] = {
    ("kill", "ingress"): 9,
    ("kill", "conversation"): 6,
    ("kill", "sender"): 6,
    ("kill", "accounts"): 5,
    ("kill", "ai_responder"): 3,
    ("pause", "ingress"): 4,
    ("pause", "conversation"): 3,
    ("pause", "sender"): 3,
    ("pause", "accounts"): 3,
    ("pause", "emulator"): 3,
    ("scale", "conversation"): 2,
    ("scale", "sender"): 2,
    ("kill", "kafka"): 2,
    ("pause", "kafka"): 1,
    ("stop", "kafka"): 1,
    ("kill", "mongo-primary"): 2,
    ("kill", "mongo-secondary"): 1,
    ("pause", "mongo-primary"): 1,
}
WINDOW_SECONDS: Final = 30.0
"""How long a doubt lasts, as in production."""
OUTAGES: Final = ("ingress", "secret", "conversation", "kafka", "mongo")
"""The parts of a status's path that fail completely, longer than the doubt window, while answers are lost. With
`secret`, Meta signs with a secret that ingress does not know, so that all webhooks are refused."""
_LONG: Final = 60
"""A run with at least so many faults has every kind. A shorter one has only the fastest outage."""
_SHORT_OUTAGE: Final = "conversation"
_ZOMBIE_SECONDS: Final = 12.0
"""Longer than the consumers' session time-out of a run: the group goes on without it, and it comes back."""
_RESTS: Final = {"sender": 15.0, "conversation": 15.0, "kafka": 20.0, "mongo": 20.0}
"""Seconds between the end of a fault on a group of processes and the start of the next one there."""
_REST: Final = 4.0
_TRIES: Final = 30


@dataclass(frozen=True, slots=True)
class Profile:
    """The possible targets: replicas by service, nodes, and the wanted kinds of faults (None: all)."""

    replicas: Mapping[str, int]
    kafka_nodes: int = 3
    mongo_nodes: int = 3
    kinds: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at_s` after the start, for `seconds`. `detail` are the parameters of a storm at Meta."""

    number: int
    at_s: float
    kind: str
    target: str
    seconds: float
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        """When it is undone."""
        return self.at_s + self.seconds

    @property
    def party(self) -> str:
        """The group of processes that it hits."""
        return self.target.split("-")[0]


def plan(seed: int, faults: int, profile: Profile) -> list[Fault]:
    """`faults` faults, in the order of their starts; the same for the same arguments."""
    return _Planner(random.Random(seed), profile).draw(faults)


class _Planner:
    def __init__(self, rng: random.Random, profile: Profile) -> None:
        self.rng = rng
        self.profile = profile
        self.weights = {choice: weight for choice, weight in _choices().items() if self._wanted(*choice)}
        if not self.weights:
            raise ValueError(f"no fault is of one of the kinds {sorted(profile.kinds or ())}")
        self.made: list[Fault] = []

    def draw(self, faults: int) -> list[Fault]:
        now = 2.0
        deck = list(self.weights)
        self.rng.shuffle(deck)
        if faults < _LONG and self.profile.kinds is None:
            self.made.append(self._made(now, "outage", _SHORT_OUTAGE))
        while len(self.made) < faults:
            first = deck.pop() if deck and (faults >= _LONG or not any(self.weights.values())) else None
            fault = self._next(now, first)
            if fault is not None:
                self.made.append(fault)
            elif first is not None:
                deck.insert(0, first)
            now += self.rng.uniform(1.0, 3.0)
        return self.made

    def _wanted(self, kind: str, target: str) -> bool:
        kinds, profile = self.profile.kinds, self.profile
        if target == "mongo-secondary" and profile.mongo_nodes == 1:
            return False
        party = target.split("-", maxsplit=1)[0]
        names = {kind, party, f"{kind}:{party}"} | ({"storm", f"storm:{kind}"} if target == "meta" else set())
        return kinds is None or bool(kinds & names)

    def _next(self, now: float, first: tuple[str, str] | None) -> Fault | None:
        """A fault that is allowed now; `first` is tried first. None when none was found."""
        for attempt in range(_TRIES):
            chosen = first if first is not None and not attempt else self._choose()
            fault = self._made(now, *chosen)
            if self._allowed(fault):
                return fault
            if first is not None:
                return None
        return None

    def _choose(self) -> tuple[str, str]:
        weights = list(self.weights.values())
        return self.rng.choices(list(self.weights), weights if any(weights) else None)[0]

    def _made(self, now: float, kind: str, target: str) -> Fault:
        rng, number = self.rng, len(self.made) + 1
        if kind == "outage":
            return Fault(number, now, kind, target, WINDOW_SECONDS + rng.uniform(2, 5))
        if target == "meta":
            return Fault(number, now, kind, target, rng.uniform(2, 6), self._detail(kind))
        party = target.split("-", maxsplit=1)[0]
        if party == "kafka":
            return Fault(number, now, kind, f"kafka-{rng.randint(1, self.profile.kafka_nodes)}", rng.uniform(3, 6))
        if party == "mongo":
            return Fault(number, now, kind, target, rng.uniform(5, 8) if kind == "pause" else rng.uniform(3, 6))
        name = self._replica(target)
        if kind == "pause" and target in ("sender", "conversation"):
            return Fault(number, now, kind, name, _ZOMBIE_SECONDS)
        return Fault(number, now, kind, name, rng.uniform(2, 6) if kind == "pause" else rng.uniform(0.2, 4))

    def _replica(self, service: str) -> str:
        number = self.rng.randint(1, self.profile.replicas.get(service, 1))
        return service if number == 1 else f"{service}-{number}"

    def _detail(self, kind: str) -> dict[str, Any]:
        rng = self.rng
        detail: dict[str, Any] = {"probability": round(rng.uniform(0.1, 0.6), 2)}
        match kind:
            case "reset":
                # A message that Meta did not accept has no status, so each of them waits for the whole window.
                detail["probability"] = round(rng.uniform(0.05, 0.2), 2)
            case "lose_answer":
                detail |= {"mode": rng.choice(["close", "half", "hang"]), "ms": 500}
            case "error":
                # Only codes that Meta calls transient, because others end a send, as they should.
                detail |= {"code": rng.choice([131000, 131016, 2, 1]), "status": 500}
                detail["probability"] = round(rng.uniform(0.1, 0.3), 2)
            case "http_5xx":
                detail |= {"html": rng.random() < 0.3}
                detail["probability"] = round(rng.uniform(0.1, 0.3), 2)
            case "slow":
                detail |= {"beforeMs": rng.randint(0, 500), "afterMs": rng.randint(100, 1_500)}
            case "duplicate":
                detail |= {"copies": rng.randint(1, 3)}
            case "delay" | "reorder":
                detail |= {"ms": rng.randint(100, 1_500)}
        return detail

    def _allowed(self, fault: Fault) -> bool:
        for other in reversed(self.made):
            if fault.at_s - other.at_s > 120:
                break
            if fault.kind == other.kind == "outage" and fault.at_s < other.end_s + _RESTS["kafka"]:
                return False
            if other.target == "meta" or fault.target == "meta":
                continue
            if fault.party == other.party:
                rest = _RESTS.get(fault.party, _REST)
                # One replica of ingress after the other, so that one is always up.
                if fault.at_s < other.end_s + rest:
                    return False
        return True


def _choices() -> dict[tuple[str, str], int]:
    outages = {("outage", target): 0 for target in OUTAGES}  # each once, by the deck
    return {**_DEEDS, **{(kind, "meta"): weight for kind, weight in STORMS.items()}, **outages}
