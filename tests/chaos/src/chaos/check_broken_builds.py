"""Proves the fault suite: `python -m chaos.check_broken_builds` runs it on every deliberately broken build.

It exits with 1 if the suite does not notice one of them.
"""

import argparse
import sys

from chaos.__main__ import main as chaos
from chaos.broken_builds import BUILDS

_FAULTS = 14


def main() -> int:
    """Run each; 0 when all were found."""
    argparse.ArgumentParser(
        prog="python -m chaos.check_broken_builds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    unnoticed = []
    names = [name for name, build in BUILDS.items() if build.breach]
    for name in names:
        print(f"\n=== {name}", flush=True)
        small = ["--kafka-nodes", "1", "--mongo-nodes", "1"]
        if chaos(["--build", name, "--faults", str(_FAULTS), "--seed", "5", *small]) == 0:
            unnoticed.append(name)
    print(f"\nchaos.check_broken_builds: {len(names)} broken builds, {len(unnoticed)} not found {' '.join(unnoticed)}")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
