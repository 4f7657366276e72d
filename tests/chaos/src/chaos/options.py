"""The options of a run, and how its system differs from production."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.plan import WINDOW_SECONDS

REPLICAS: Final = {"ingress": 2, "conversation": 2, "sender": 2}
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    # Shorter time-outs than in production, with the same code: a dead owner is noticed after 6 s. The doubt window is that
    # of production, and shorter than the outages of the run.
    "sender": {
        "KAFKA_SESSION_TIMEOUT_MS": "6000",
        "KAFKA_TRANSACTION_TIMEOUT_MS": "10000",
        "GRAPH_TOTAL_SECONDS": "4",
        "SENDER_IN_DOUBT_SECONDS": f"{WINDOW_SECONDS:g}",
        "SENDER_PAUSE_SECONDS": "2",
        "SENDER_PARK_SECONDS": "3",
        # A few phones represent many, so they write more than one message in six seconds.
        "SENDER_PAIR_PACE": "false",
    },
    "conversation": {"KAFKA_SESSION_TIMEOUT_MS": "6000", "KAFKA_TRANSACTION_TIMEOUT_MS": "10000"},
}
EMULATOR_OPTIONS: Final = (
    *("--retry-delays-ms", "0,200,500,1000"),
    *("--delivered-after-ms", "30", "--read-after-ms", "60", "--webhook-timeout-ms", "6000"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run."""

    faults: int
    seed: int
    rate: float
    customers: int
    kafka_nodes: int
    mongo_nodes: int
    quiet_seconds: float
    kinds: frozenset[str] | None = None
    build: str | None = None
    lose_answers: float = 0.0
    fail_calls: float = 0.0
    rolling: bool = False
    before: Path | None = None
    attacker: bool = True
    merge: int = 0
    merge_kills: int = 0

    @property
    def always(self) -> list[dict[str, Any]]:
        """The emulator's fault rules that hit a share of all calls during the whole run."""
        shares = [
            ({"kind": "lose_answer"}, self.lose_answers),
            ({"kind": "error", "code": 131000, "status": 500}, self.fail_calls),
        ]
        return [{"fault": fault, "match": {"probability": share}} for fault, share in shares if share]
