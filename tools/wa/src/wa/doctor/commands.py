"""`wa doctor`: the command."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from common.http.command import read_settings
from common.kafka.settings import KafkaSettings
from common.mongo import Mongo
from wa import options
from wa.doctor.checks import (
    DoctorSettings,
    check_internal_keys,
    check_kafka,
    check_mongodb,
    check_secrets,
    check_services,
    key_ring,
)
from wa.doctor.findings import Finding, Level, table, worst
from wa.doctor.meta import check_meta

_EPILOG: Final = """\
Give it what the services are given: KAFKA_*, MONGODB_*, ACCOUNTS_KEKS, WHATSAPP_APP_SECRETS, GRAPH_*, API_KEYS and the
two internal keys. What is not set is not looked at, and it says so. WHATSAPP_APP_ID helps while no token is valid.

example: wa doctor --service http://ingress:8000 --service http://sender:8000
exit codes: 0 nothing is wrong (there may be warnings); 2 wrong usage or settings; 3 something is wrong
"""


def register(groups: Any) -> None:
    """Add the command to the command line."""
    doctor = groups.add_parser(
        "doctor",
        help="look at everything that the services need, and say what is wrong and how to mend it",
        description="Looks at Kafka, topics, MongoDB, indexes, keys, tokens, app secrets, services. Changes nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[options.connection()],
    )
    doctor.add_argument(
        "--service", action="append", default=[], metavar="URL", help="ask a service whether it is ready; repeat it"
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object per finding: about, level, says, mend")
    doctor.set_defaults(run=run)


async def run(arguments: argparse.Namespace, kafka: KafkaSettings) -> int:
    """Look, and print what was found."""
    settings = read_settings("wa", DoctorSettings)
    if settings is None:
        return 2
    settings = settings.model_copy(update={"kafka_bootstrap_servers": kafka.kafka_bootstrap_servers})
    findings = await examine(settings, arguments.service)
    shown = (json.dumps(asdict(finding)) for finding in findings) if arguments.json else table(findings)
    print("\n".join(shown), flush=True)
    return 3 if worst(findings) is Level.PROBLEM else 0


async def examine(settings: DoctorSettings, services: Sequence[str] = ()) -> list[Finding]:
    """Every finding."""
    found = [*await check_kafka(settings), *check_internal_keys(settings)]
    mongo = Mongo(settings)
    try:
        found += await check_mongodb(mongo)
        keys = key_ring(settings)
        if isinstance(keys, Finding):
            found.append(keys)
        elif await mongo.reachable():
            about_keys, tokens = await check_secrets(mongo, keys)
            found += [*about_keys, *await check_meta(tokens, settings)]
    finally:
        await mongo.close()
    return [*found, *await check_services(services)]
