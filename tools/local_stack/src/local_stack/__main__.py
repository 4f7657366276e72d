"""`python -m local_stack`: starts Kafka and MongoDB from the command line."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from local_stack.errors import LocalStackError
from local_stack.fetch.cache import cache_folder
from local_stack.progress import Progress
from local_stack.stack import LocalStack

_WATCH_EVERY_S = 0.5

_EPILOG = """\
environment:
  KAFKA_BOOTSTRAP_SERVERS, MONGODB_URI  use this Kafka or MongoDB instead of starting one
  LOCAL_STACK_CACHE                     folder for downloads (default: whatsapp-cloud-local-stack in ~/.cache)
  LOCAL_STACK_PACKAGED=1                use the pinned java and mongod, not those of this machine
  TEST_INFRA=docker                     start the official container images instead of processes
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(
        prog="python -m local_stack",
        description="Starts real Apache Kafka and MongoDB as plain processes. It downloads each program once.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser(
        "up", help="start on ports 9092 and 27017 if they are free, print export lines, and run until Ctrl-C"
    )
    run = verbs.add_parser("run", help="start, run a command with the addresses in its environment, then stop")
    for each in (up, run):
        each.add_argument("--kafka-nodes", type=int, choices=(1, 3), default=1, help="brokers: 1 (default) or 3")
        each.add_argument(
            "--mongo-nodes", type=int, choices=(1, 3), default=1, help="members of the replica set: 1 (default) or 3"
        )
        each.add_argument(
            "--data", type=Path, metavar="DIR", help="keep the data in this folder (default: delete it at the end)"
        )
        each.add_argument(
            "--full-speed", action="store_true", help="use all JVM compilers: Kafka starts slower, but runs faster"
        )
    run.add_argument("command", nargs="+", metavar="CMD", help="the command, after `--`")
    verbs.add_parser("fetch", help="download all missing programs now, so that later starts need no network")
    verbs.add_parser("clean", help="delete the downloads")
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; the exit code is the command's for `run`, 0 when all went well, 1 otherwise."""
    options = parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        return _VERBS[options.verb](options)
    except LocalStackError as error:
        Progress().say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(_signal: int, _frame: FrameType | None) -> None:
    # This unwinds the `with` blocks, so that a plain `kill` also stops everything in order.
    raise KeyboardInterrupt


def _stack(options: argparse.Namespace) -> LocalStack:
    return LocalStack(
        options.kafka_nodes,
        options.mongo_nodes,
        options.data,
        fast_boot=not options.full_speed,
        usual_ports=options.verb == "up",
    )


def _up(options: argparse.Namespace) -> int:
    with _stack(options) as stack:
        for name, value in addresses(stack).items():
            print(f"export {name}='{value}'", flush=True)
        Progress().say("running; Ctrl-C stops it")
        while True:
            for cluster in stack.clusters:
                for node in cluster.dead_nodes():
                    raise LocalStackError(f"{node.name} ended; {node.last_words()}")
            time.sleep(_WATCH_EVERY_S)


def _run(options: argparse.Namespace) -> int:
    with _stack(options) as stack, subprocess.Popen(options.command, env={**os.environ, **addresses(stack)}) as child:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            child.terminate()
            raise
    return code if code >= 0 else 128 - code


def _fetch(_options: argparse.Namespace) -> int:
    LocalStack().fetch()
    Progress().say(f"all programs are downloaded ({cache_folder()})")
    return 0


def _clean(_options: argparse.Namespace) -> int:
    folder = cache_folder()
    shutil.rmtree(folder, ignore_errors=True)
    Progress().say(f"removed {folder}")
    return 0


def addresses(stack: LocalStack) -> dict[str, str]:
    """The environment variables with which the services use this stack."""
    return {"KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers, "MONGODB_URI": stack.mongodb_uri}


_VERBS = {"up": _up, "run": _run, "fetch": _fetch, "clean": _clean}

if __name__ == "__main__":
    sys.exit(main())
