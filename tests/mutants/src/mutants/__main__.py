"""`python -m mutants`: puts small faults into copies of the code; the tests have to find each of them.

It exits with 1 if the tests miss a fault, or if a fault no longer applies. It exits with 2 if there is no result, because
the tests already fail without a fault.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from mutants.fault import all_faults, chosen
from mutants.findings import summary, table
from mutants.run import Run, UnusableError


def main() -> int:
    """Try the chosen faults, and print which test found each."""
    options = _options()
    faults = chosen(all_faults(), options.only)
    if options.list:
        print("\n".join(f"{fault.name}  {fault.file}  {fault.why}" for fault in faults))
        return 0
    if not faults:
        print(f"no fault has the name {', '.join(options.only)}: --list prints all names", file=sys.stderr)
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
    parser.add_argument(
        "--only", type=_names, default=[], help="names or their beginnings, comma separated (for example: conversation)"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="number of unit-level faults that run in parallel (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="try only a fixed sample of the faults that need no Kafka or MongoDB"
    )
    parser.add_argument("--list", action="store_true", help="print the faults, and try none of them")
    parser.add_argument(
        "--keep", action="store_true", help="keep the copies and pytest's output, also if all faults are found"
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="root of the source tree (default: this folder)")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


if __name__ == "__main__":
    sys.exit(main())
