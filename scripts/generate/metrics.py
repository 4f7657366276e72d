"""Writes docs/metrics.md: every metric that services expose. `make contracts`; `--check` only compares."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from common.telemetry.metrics import ALL, Metric

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
HEAD: Final = """# Metrics

Written by `make contracts` from `libs/common/src/common/telemetry/metrics.py::ALL`. Every service answers
`GET /metrics` on its HTTP port, in Prometheus' format; who asks for OpenMetrics gets exemplars (trace ids) on
histograms. Python's and the process's own metrics (`process_cpu_seconds_total`, `process_resident_memory_bytes`, …) are
there as well. Seconds and records are the units; a histogram has `_bucket`, `_count` and `_sum`. `chatbot_id` is
bounded by `METRICS_TENANTS`: the chatbots above it are `other`.

| Metric | Kind | Labels | Of | What it says |
|---|---|---|---|---|
"""


def document() -> str:
    """The page."""
    return HEAD + "".join(_rows())


def _rows() -> Iterator[str]:
    for metric in ALL:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {_services(metric)} | {metric.about} |\n"


def _services(metric: Metric) -> str:
    return "every service" if len(metric.services) == 4 else ", ".join(metric.services)


def main() -> int:
    """Write or compare the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when the checked-in page is out of date")
    stale = not FILE.exists() or FILE.read_text(encoding="utf-8") != document()
    if parser.parse_args().check and stale:
        print("docs/metrics.md is out of date; run 'make contracts'")
        return 1
    if stale:
        FILE.write_text(document(), encoding="utf-8")
    print(f"docs/metrics.md: {'written' if stale else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
