"""The program: it waits for Kafka, and ends when it is asked to."""

import os
import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def without_kafka():
    """The program, with nothing where Kafka should be."""
    with socket.socket() as bound:  # bound and not listening: every connection is refused
        bound.bind(("127.0.0.1", 0))
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{bound.getsockname()[1]}"}
        command = [sys.executable, "-m", "ai_responder"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as program:
            yield program
            program.kill()


def wait_for(program, words, times):
    """Read its log until `words` were said `times` times; fails when the program ends before."""
    for line in program.stderr:
        times -= words in line
        if times == 0:
            return
    pytest.fail(f"ended without saying {words!r}")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_tries_again_while_kafka_is_away_and_ends_when_asked_to(without_kafka, number):
    # The second time: a signal between two attempts has to count as one during an attempt does.
    wait_for(without_kafka, "Kafka is away", times=2)
    without_kafka.send_signal(number)
    assert without_kafka.wait(10) == 0
