"""Faults in what the first hour meets: settings, `.env`, ports, the log of an outage, pasted secrets, the AI example."""

from typing import Final

from mutants.fault import Fault

_COMMON: Final = "libs/common/src/common"
_TESTS: Final = "libs/common/tests"
_OUTAGES: Final = f"{_COMMON}/telemetry/outages.py"
_CREDENTIALS: Final = f"{_COMMON}/http/clients/accounts.py"
_REPLIES: Final = "examples/ai_responder/src/ai_responder/replies.py"
_TESTS_OF_OUTAGES: Final = (f"{_TESTS}/telemetry/test_outages.py",)
_TESTS_OF_MONGO_LINES: Final = (f"{_TESTS}/telemetry/test_mongo_lines.py",)
_TESTS_OF_REPLIES: Final = ("examples/ai_responder/tests/test_replies.py",)

FAULTS: Final = (
    Fault(
        "common/env-file-wins",
        f"{_COMMON}/environment.py",
        "        into.setdefault(variable, value)",
        "        into[variable] = value",
        (f"{_TESTS}/test_environment.py",),
        "a file left behind overrules what the deployment sets",
    ),
    Fault(
        "common/parameters-given-twice",
        f"{_COMMON}/http/query_parameters.py",
        "getall(name)) > 1:",
        "getall(name)) > 9:",
        (f"{_TESTS}/test_edges.py",),
        "of two filters one is left out without a word",
    ),
    Fault(
        "ingress/reports-fill-the-log",
        "services/ingress/src/ingress/reports/reporter.py",
        'KAFKA.failed(log, "could not write the report for the sender", error=error.message)',
        'log.warning("the report for the sender is not written")',
        ("services/ingress/tests/reports/test_refusals.py",),
        "an outage of Kafka is a line every two seconds",
    ),
    Fault(
        "common/outage-unlimited",
        _OUTAGES,
        "        if now - self._line_at < _EVERY_SECONDS:",
        "        if now - self._line_at < 0:",
        _TESTS_OF_OUTAGES,
        "an outage of Kafka fills the log",
    ),
    Fault(
        "common/outage-never-over",
        _OUTAGES,
        "        if self._told:\n            self._told = False\n            log.info(",
        "        if False:\n            self._told = False\n            log.info(",
        _TESTS_OF_OUTAGES,
        "the log does not say that Kafka is back",
    ),
    Fault(
        "common/mongodb-outage-fills-the-log",
        f"{_COMMON}/telemetry/mongo_lines.py",
        "        return left_out is not None",
        "        return True",
        _TESTS_OF_MONGO_LINES,
        "an outage of MongoDB fills the log",
    ),
    Fault(
        "common/mongodb-refusal-is-an-outage",
        f"{_COMMON}/mongo/compare_and_set.py",
        "        if isinstance(error, ConnectionFailure):",
        "        if isinstance(error, PyMongoError):",
        _TESTS_OF_MONGO_LINES,
        "the log says that MongoDB is away when it refuses an operation",
    ),
    Fault(
        "common/credentials-unbounded",
        _CREDENTIALS,
        "        if len(self._kept) > self._at_most:",
        "        if len(self._kept) > self._at_most * 1_000_000:",
        (f"{_TESTS}/http/clients/test_accounts.py",),
        "tokens of all accounts fill the memory",
    ),
    Fault(
        "common/credentials-stay",
        _CREDENTIALS,
        "        if self._expiry is None:\n            self._expiry = asyncio",
        "        if False:\n            self._expiry = asyncio",
        (f"{_TESTS}/http/clients/test_accounts.py",),
        "an unused token stays in memory",
    ),
    Fault(
        "wa/init-replaces",
        "tools/wa/src/wa/init.py",
        "        if replace:\n            fresh",
        "        if True:\n            fresh",
        ("tools/wa/tests/test_init.py",),
        "keys are lost with which tokens in the database were sealed",
    ),
    Fault(
        "ai_responder/group-in-private",
        _REPLIES,
        "    if group:\n        return group, True\n",
        "",
        _TESTS_OF_REPLIES,
        "what is asked in a group is answered in a private chat",
    ),
    Fault(
        "ai_responder/any-age",
        "examples/ai_responder/src/ai_responder/app.py",
        "if not one.is_older(max_age, now)]",
        "if one]",
        ("examples/ai_responder/tests/test_wiring.py",),
        "a new consumer group answers a week of old messages",
    ),
)
