"""`wa doctor`: the command."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from common.http.command import read_settings
from common.kafka.settings import KafkaSettings
from common.mongo import Mongo
from wa import options
from wa.doctor.checks import DoctorSettings, check_accounts, check_kafka, check_mongodb, key_ring
from wa.doctor.findings import Finding, Level, lines, worst


def register(groups: Any) -> None:
    """Add the command to the command line."""
    doctor = groups.add_parser(
        "doctor",
        help="look at everything that the services need, and say what is wrong and how to mend it",
        description="Looks at Kafka, topics, MongoDB, keys, app secrets and tokens with the services' own settings"
        " (KAFKA_*, MONGODB_*, ACCOUNTS_KEKS, WHATSAPP_APP_SECRETS, GRAPH_*). It changes nothing.",
        epilog="exit codes: 0 nothing is wrong (there may be warnings); 3 something is",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[options.connection()],
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object per finding")
    doctor.set_defaults(run=run)


async def run(arguments: argparse.Namespace, kafka: KafkaSettings) -> int:
    """Look, and print what was found."""
    settings = read_settings("wa", DoctorSettings)
    if settings is None:
        return 2
    settings = settings.model_copy(update={"kafka_bootstrap_servers": kafka.kafka_bootstrap_servers})
    findings = await examine(settings)
    for finding in findings:
        print(json.dumps(asdict(finding)) if arguments.json else "\n".join(lines(finding)), flush=True)
    return 3 if worst(findings) is Level.PROBLEM else 0


async def examine(settings: DoctorSettings) -> list[Finding]:
    """Every finding."""
    found = await check_kafka(settings)
    mongo = Mongo(settings)
    try:
        state = await check_mongodb(mongo)
        found.append(state)
        keys = key_ring(settings)
        if isinstance(keys, Finding):
            return [*found, keys]
        if state.level is Level.PROBLEM and "answer" in state.says:
            return found
        return [*found, *await check_accounts(mongo, keys, settings)]
    finally:
        await mongo.close()
