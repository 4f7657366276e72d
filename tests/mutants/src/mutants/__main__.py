"""`python -m mutants`: small faults in copies of the code, each of which a test has to find.

Ends with 1 when a test misses a fault or a fault no longer applies, with 2 when nothing can be said: the tests fail
without a fault.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mutants.fault import all_faults, chosen
from mutants.findings import summary, table
from mutants.run import Run, UnusableError


def main() -> int:
    """Try the faults that were asked for, and print what found each."""
    options = _options()
    faults = chosen(all_faults(), options.only)
    if options.list:
        print("\n".join(f"{fault.name}  {fault.file}  {fault.why}" for fault in faults))
        return 0
    if not faults:
        print(f"no fault is called {', '.join(options.only)}: --list shows their names", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="mutants-")).resolve()
    done = False
    try:
        findings = Run(options.root, folder, workers=options.workers, quick=options.quick).findings(faults)
        done = all(finding.verdict == "found" for finding in findings)
    except UnusableError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if done and not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(findings))
    print(summary(findings))
    return 0 if done else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("--only", type=_names, default=[], help="names or their beginnings (conversation), with commas")
    parser.add_argument("--workers", type=int, default=2, help="how many unit-level faults are tried at once")
    parser.add_argument("--quick", action="store_true", help="a fixed part of the faults that need no Kafka or MongoDB")
    parser.add_argument("--list", action="store_true", help="print the faults and try none")
    parser.add_argument("--keep", action="store_true", help="keep the copies and pytest's output when all are found")
    parser.add_argument("--root", type=Path, default=Path(os.getcwd()), help="the tree (default: this folder)")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


if __name__ == "__main__":
    sys.exit(main())
