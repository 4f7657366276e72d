"""The ledger on disk: one JSON object per line, so that it outlives the process.

Lines are `received`, `sent` and `webhook` entries as the control API shows them. A last line that a crash cut short
is ignored.
"""

import json
from pathlib import Path
from typing import Any

from graph_emulator.state.ledger import DELIVERED, Ledger, Received, Sent, Trace

Json = dict[str, Any]


class Journal:
    """An append-only file of ledger entries."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, line: Json) -> None:
        """Append one entry; the operating system has it when this returns."""
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def restore(path: Path, ledger: Ledger) -> int:
    """Put the entries of the file at `path` into `ledger`; the number of lines that could be parsed."""
    count = 0
    for text in path.read_text("utf-8").splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        _restore_line(line, ledger)
        count += 1
    return count


def _restore_line(line: Json, ledger: Ledger) -> None:
    if line["entry"] == "received":
        ledger.add_received(
            Received(
                seq=line["seq"],
                wamid=line["wamid"],
                phone_number_id=line["phoneNumberId"],
                phone=line["phone"],
                user_id=line["userId"],
                type=line["type"],
                body=line["body"],
                callback_data=line["callbackData"],
                at_ms=line["atMs"],
                monotonic_ms=line["monotonicMs"],
                reached=line["reached"],
            )
        )
    elif line["entry"] == "sent":
        ledger.add_sent(
            Sent(
                seq=line["seq"],
                wamid=line["wamid"],
                phone_number_id=line["phoneNumberId"],
                phone=line["phone"],
                user_id=line["userId"],
                message=line["message"],
                at_ms=line["atMs"],
                webhook=Trace("inbound", line["wamid"], line["atMs"]),
            )
        )
    else:
        _restore_trace(line, ledger)


def _restore_trace(line: Json, ledger: Ledger) -> None:
    trace = Trace(
        name=line["name"],
        wamid=line["wamid"],
        offered_ms=line["offeredMs"],
        attempts=line["attempts"],
        outcome=line["outcome"],
        settled_ms=line["settledMs"],
        settled_order=line["settledOrder"],
    )
    if trace.outcome == DELIVERED:
        ledger.settled = max(ledger.settled, trace.settled_order)
    if trace.wamid in ledger.sent_by_wamid:
        ledger.sent_by_wamid[trace.wamid].webhook = trace
    elif trace.wamid in ledger.received_by_wamid:
        ledger.received_by_wamid[trace.wamid].statuses.append(trace)
