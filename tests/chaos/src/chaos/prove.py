"""The suite's own proof: `python -m chaos.prove` runs every broken build, and fails when one of them passes."""

import sys

from chaos.__main__ import main as chaos
from chaos.broken import BUILDS

_FAULTS = 14


def main() -> int:
    """Run each; 0 when all were found."""
    passed = []
    names = [name for name, build in BUILDS.items() if build.breach]
    for name in names:
        print(f"\n=== {name}", flush=True)
        small = ["--kafka-nodes", "1", "--mongo-nodes", "1"]
        if chaos(["--build", name, "--faults", str(_FAULTS), "--seed", "5", *small]) == 0:
            passed.append(name)
    print(f"\nchaos.prove: {len(names)} broken builds, {len(passed)} not found {' '.join(passed)}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
