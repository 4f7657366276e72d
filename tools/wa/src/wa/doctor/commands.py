"""`wa doctor`: the command."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import asdict
from typing import Any, Final

from common.kafka.settings import KafkaSettings
from common.mongo import Mongo
from common.security.key_ring import KeyRing
from wa import options
from wa.connection import settings_of
from wa.doctor.checks import (
    DoctorSettings,
    check_internal_keys,
    check_kafka,
    check_mongodb,
    check_secrets,
    check_sends,
    check_services,
    key_ring,
)
from wa.doctor.findings import Finding, Level, problem, table, worst
from wa.doctor.meta import check_meta

_SECONDS: Final = 30.0  # for one of the checks as a whole
_EPILOG: Final = """\
It reads the settings of the services: KAFKA_*, MONGODB_*, ACCOUNTS_KEKS, WHATSAPP_APP_SECRET, GRAPH_*, API_KEYS and
the two internal keys. If one is not set, its check is skipped, and the output says so. Set WHATSAPP_APP_ID if no token
is valid yet.

example: wa doctor --service http://ingress:8000 --service http://sender:8000
exit codes: 0 no problem (there may be warnings); 2 wrong usage or settings; 3 at least one problem
"""


def register(groups: Any) -> None:
    """Add the command to the command line."""
    doctor = groups.add_parser(
        "doctor",
        help="check everything that the services need; report problems and how to fix them",
        description="Checks Kafka, topics, MongoDB, indexes, keys, tokens, app secrets and services. Changes nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[options.connection()],
    )
    doctor.add_argument(
        "--service",
        action="append",
        default=[],
        metavar="URL",
        help="base URL of a service to ask whether it is ready; may be repeated",
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object per finding: about, level, says, fix")
    doctor.set_defaults(run=run, kafka=True)


async def run(arguments: argparse.Namespace, kafka: KafkaSettings) -> int:
    """Run all checks and print the findings; the exit code."""
    settings = settings_of(DoctorSettings).model_copy(update={"kafka_bootstrap_servers": kafka.kafka_bootstrap_servers})
    findings = await examine(settings, arguments.service)
    shown = (json.dumps(asdict(finding)) for finding in findings) if arguments.json else table(findings)
    print("\n".join(shown), flush=True)
    return 3 if worst(findings) is Level.PROBLEM else 0


async def examine(settings: DoctorSettings, services: Sequence[str] = ()) -> list[Finding]:
    """Every finding."""
    found = [*await check_kafka(settings), *check_internal_keys(settings)]
    mongo = Mongo(settings, limited=False)
    try:
        found += await _in_time("mongodb", check_mongodb(mongo))
        found += await _in_time("waiting sends", check_sends(mongo, settings))
        keys = key_ring(settings)
        if isinstance(keys, Finding):
            found.append(keys)
        else:
            found += await _in_time("keys and tokens", _check_accounts(mongo, keys, settings))
    finally:
        await mongo.close()
    return [*found, *await check_services(services)]


async def _check_accounts(mongo: Mongo, keys: KeyRing, settings: DoctorSettings) -> list[Finding]:
    if not await mongo.reachable():
        return []  # said by `check_mongodb`
    about_keys, tokens = await check_secrets(mongo, keys)
    return [*about_keys, *await check_meta(tokens, settings)]


async def _in_time(about: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    """The findings of the check. It has one time limit, because drivers restart their time-outs with each step."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await check
    except TimeoutError:
        says = f"no complete answer within {_SECONDS:g} s"
        return [problem(about, says, "check its log and load, and the proxies and network policies in between")]
