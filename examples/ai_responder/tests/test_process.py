"""The program: it waits for Kafka, and ends when it is asked to."""

import os
import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def listener():
    """What takes connections in Kafka's place, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(20)
        yield made


@pytest.fixture
def without_kafka(listener):
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{listener.getsockname()[1]}"}
    command = [sys.executable, "-m", "ai_responder"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as program:
        yield program
        program.kill()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_tries_again_while_kafka_is_away_and_ends_when_asked_to(listener, without_kafka, number):
    # After the third time: a signal between two attempts has to count as one during an attempt does.
    for _ in range(3):
        listener.accept()[0].close()
    without_kafka.send_signal(number)
    assert without_kafka.wait(10) == 0
    assert without_kafka.stderr.read().count("Kafka is away, trying again") == 1


def test_a_wrong_setting_is_one_sentence(tmp_path):
    (tmp_path / ".env").write_text("LLM_TIMEOUT_SECONDS='0'\nAPI_KEYS='[]'\n")
    environment = {name: value for name, value in os.environ.items() if name != "ENV_FILE"}
    done = subprocess.run(
        [sys.executable, "-m", "ai_responder"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        "ai_responder: LLM_TIMEOUT_SECONDS: Input should be greater than 0\n",
    )
