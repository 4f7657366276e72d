import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import common
from common.http.probe import DEFAULT_PORT
from common.http.service.serve import HttpSettings

SOURCE = str(Path(common.__file__).parents[1])
"""Where what is tested is: a process of its own would take what is installed."""


class Service(BaseHTTPRequestHandler):
    """Alive, and not ready."""

    def do_GET(self):
        self.send_response(200 if self.path == "/health/live" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def probe(port, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "common.http.probe", *arguments],
        env={"HTTP_PORT": str(port), "PYTHONPATH": SOURCE},
        check=False,
    ).returncode


def test_alive_and_ready_are_asked_apart(port):
    assert probe(port) == 0
    assert probe(port, "/health/live") == 0
    assert probe(port, "/health/ready") == 1


def test_a_port_without_a_listener_is_not_alive(port):
    assert probe(1) == 1


def test_the_default_port_is_that_of_the_services():
    assert HttpSettings.model_fields["http_port"].default == DEFAULT_PORT


def test_a_probe_imports_nothing_that_takes_long():
    code = "import sys, common.http.probe; print({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    said = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": SOURCE},
    ).stdout
    assert eval(said) <= {"common", "__main__"}  # noqa: S307
