"""Fixtures of every test: the one real Kafka and the one real MongoDB of the run, with their topics."""

import asyncio
import os
import time
from collections.abc import Iterator

import hypothesis
import pytest

from common.kafka.admin import ensure_topics
from common.kafka.settings import KafkaSettings
from local_stack import LocalStack

TEST_PARTITIONS = 3

# The same examples in every run: a failure on a shared machine must be found again. No deadline: timings are noisy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def local_stack() -> Iterator[LocalStack]:
    """Kafka and MongoDB, one node each, with every topic created; started when the first test asks for it."""
    started = time.monotonic()
    with LocalStack() as stack:
        settings = KafkaSettings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers)
        asyncio.run(ensure_topics(settings, partitions=TEST_PARTITIONS))
        stack.timings["ready for tests"] = time.monotonic() - started
        yield stack
        _stack_seconds.update(stack.timings)


@pytest.fixture(scope="session")
def kafka_bootstrap(local_stack: LocalStack) -> str:
    """host:port of the real Kafka."""
    return local_stack.kafka_bootstrap_servers


@pytest.fixture(scope="session")
def mongodb_uri(local_stack: LocalStack) -> str:
    """Connection string of the real MongoDB (a replica set)."""
    return local_stack.mongodb_uri


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> Iterator[None]:
    """Tests read no setting from the caller's environment, other than where Kafka and MongoDB are."""
    kept = {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"}
    prefixes = (
        *("WHATSAPP_", "ACCOUNTS_", "API_KEYS", "GRAPH_", "HTTP_", "KAFKA_", "MONGODB_"),
        *("SENDER_", "CONVERSATION_", "WINDOWS_", "FETCH_", "INTERNAL_", "CALLBACK_", "VERIFY_"),
    )
    removed = {n: os.environ.pop(n) for n in list(os.environ) if n.startswith(prefixes) and n not in kept}
    env_file = os.environ.get("ENV_FILE")
    os.environ["ENV_FILE"] = ""  # no `.env` of the developer either
    yield
    os.environ.update(removed)
    if env_file is None:
        del os.environ["ENV_FILE"]
    else:
        os.environ["ENV_FILE"] = env_file


_stack_seconds: dict[str, float] = {}
_stage_seconds: dict[str, float] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up the time of each stage (unit, integration, e2e), set-up and teardown included."""
    stage = next((name for name in ("e2e", "integration") if name in report.keywords), "unit")
    _stage_seconds[stage] = _stage_seconds.get(stage, 0.0) + report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each stage took."""
    for name, seconds in {**_stage_seconds, **_stack_seconds}.items():
        terminalreporter.write_line(f"stage {name}: {seconds:.1f} s")
