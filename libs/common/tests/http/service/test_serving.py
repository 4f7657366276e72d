"""How a process of several listeners ends, seen from outside: signals, running requests, and who stops first."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.http.service import command
from common.http.service.serve import HttpSettings

PROGRAM = """
import asyncio, sys
from common.http.service.serve import serve

def app(name, seconds):
    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                event = (await receive())["type"].rpartition(".")[2]
                print(name, event, flush=True)
                await send({"type": f"lifespan.{event}.complete"})
                if event == "shutdown":
                    return
        print(name, "request", flush=True)
        await asyncio.sleep(seconds)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})
        print(name, "answered", flush=True)
    return application

first, second, seconds, patience = sys.argv[1:]
serve(
    (app("first", float(seconds)), "127.0.0.1", int(first)),
    (app("second", float(seconds)), "127.0.0.1", int(second)),
    shutdown_seconds=float(patience),
)
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Running:
    """The process; `said` is what it has printed."""

    def __init__(self, *, seconds, patience):
        self.ports = free_port(), free_port()
        self.said = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, self.ports), str(seconds), str(patience)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(command.__file__).parents[3]), *sys.path])},
        )
        self.reading = threading.Thread(target=self._read)
        self.reading.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.strip())

    def until(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.said
            time.sleep(0.01)

    def listens(self, port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def get(self, port):
        answers = []

        def ask():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request("GET", "/")
                answers.append(connection.getresponse().status)
            except (OSError, http.client.HTTPException) as error:
                answers.append(repr(error))
            finally:
                connection.close()

        asking = threading.Thread(target=ask)
        asking.start()
        return asking, answers


@contextmanager
def running(**options):
    run = Running(**options)
    try:
        run.until(lambda: all(map(run.listens, run.ports)))
        yield run
    finally:
        run.process.kill()
        run.process.wait()
        run.reading.join()
        run.process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_first_application_begins_first_and_ends_last(how):
    with running(seconds=0, patience=5) as run:
        run.process.send_signal(how)
        assert run.process.wait(20) == 0
        run.reading.join()
        assert run.said == ["first startup", "second startup", "second shutdown", "first shutdown"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_running_request_is_answered_before_its_application_ends(which):
    with running(seconds=1.0, patience=10) as run:
        asking, answers = run.get(run.ports[which])
        run.until(lambda: any("request" in line for line in run.said))
        run.process.send_signal(signal.SIGTERM)
        asking.join(20)
        assert answers == [200]
        assert run.process.wait(20) == 0
        run.reading.join()
        name = ("first", "second")[which]
        assert run.said.index(f"{name} answered") < run.said.index(f"{name} shutdown")


def test_a_request_without_end_does_not_keep_the_process_beyond_its_time():
    with running(seconds=60, patience=1) as run:
        asking, _ = run.get(run.ports[0])
        run.until(lambda: "first request" in run.said)
        run.process.send_signal(signal.SIGTERM)
        run.process.wait(15)
        run.reading.join()
        assert run.said[-1] == "first shutdown"
        asking.join(20)


class Settings(HttpSettings):
    pass


def test_the_settings_of_a_service_are_what_it_is_served_with(monkeypatch):
    served = []
    monkeypatch.setattr(command, "serve", lambda *listeners, **options: served.append((listeners, options)))
    monkeypatch.setattr(command, "configure_logging", lambda *_: None)
    monkeypatch.setenv("HTTP_HOST", "127.0.0.1")
    monkeypatch.setenv("SHUTDOWN_SECONDS", "3.5")
    given = {"HEADER_BYTES": 5000, "CONNECTIONS": 17, "BODY_BYTES_IN_FLIGHT": 9_000_000}
    for name, value in given.items():
        monkeypatch.setenv(f"HTTP_MAX_{name}", str(value))
    monkeypatch.setenv("HTTP_HEADER_SECONDS", "2.5")
    monkeypatch.setenv("HTTP_BODY_SECONDS", "4.5")
    assert command.run_service("x", Settings, lambda _: [("public", 1), ("internal", 2)], "", []) == 0
    ((listeners, options),) = served
    assert listeners == (("public", "127.0.0.1", 1), ("internal", "127.0.0.1", 2))
    assert options["shutdown_seconds"] == 3.5
    limits = options["limits"]
    assert (limits.header_bytes, limits.connections, limits.body_bytes_in_flight) == (5000, 17, 9_000_000)
    assert (limits.header_seconds, limits.body_seconds) == (2.5, 4.5)
