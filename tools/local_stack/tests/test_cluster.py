"""Nodes and their faults, on a small server of our own that stands in for Kafka and mongod."""

import json
import os
import signal
import socket
import sys
import threading

import psutil
import pytest

from local_stack.cluster import Cluster, PortTaken
from local_stack.errors import LocalStackError
from local_stack.ports import free_ports

pytestmark = pytest.mark.integration

SERVE = """
import signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    server.accept()[0].sendall(b"hello")
"""
FAIL = "for n in range(30): print('line', n)\nraise SystemExit(3)"
MUTE = "import time; time.sleep(60)"


class Fake(Cluster):
    kind = "fake"
    ports_per_node = 1

    def __init__(
        self, folder, nodes=1, *, code=SERVE, throw_away=False, boot_timeout=10.0, program=sys.executable, usual=None
    ):
        super().__init__(
            folder, nodes, throw_away=throw_away, boot_timeout=boot_timeout, prefer_usual_port=usual is not None
        )
        self.usual_port = usual
        self.code = code
        self.program = program

    def prepare(self, number):
        (self.nodes[number].folder / "prepared").touch()

    def command(self, number):
        return [str(self.program), "-c", self.code, str(self.ports[number][0])], os.environ

    def is_ready(self, number):
        return answers(self.ports[number][0])


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as connection:
            return connection.recv(5) == b"hello"
    except OSError:
        return False


@pytest.fixture
def fake(tmp_path):
    made = []

    def make(*arguments, **options):
        made.append(Fake(tmp_path / "data", *arguments, **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


def test_a_killed_node_comes_back_on_its_port_with_its_log(fake):
    cluster = fake(3)
    cluster.start()
    pid, port = cluster.nodes[2].pid, cluster.ports[2]
    cluster.kill(2)
    assert not cluster.nodes[2].alive
    assert not answers(port[0])
    assert all(cluster.is_ready(number) for number in (1, 3))
    cluster.restart(2)
    assert cluster.ports[2] == port
    assert cluster.nodes[2].pid != pid
    assert cluster.nodes[2].log.read_text().count("listening") == 2
    assert cluster.nodes[2].said().count("listening") == 1


def test_the_first_node_has_the_usual_port_when_it_is_free(fake):
    (usual,) = free_ports(1)
    cluster = fake(2, usual=usual)
    cluster.start()
    assert cluster.ports[1] == [usual]
    assert cluster.ports[2] != [usual]


def test_a_usual_port_that_is_taken_is_left_alone(fake):
    with socket.create_server(("127.0.0.1", 0)) as other:
        usual = other.getsockname()[1]
        cluster = fake(usual=usual)
        cluster.start()
        assert cluster.ports[1] != [usual]


def test_a_paused_node_is_stopped_and_resumes(fake, eventually):
    cluster = fake()
    cluster.start()
    process = psutil.Process(cluster.nodes[1].pid)
    cluster.pause()
    assert eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    assert cluster.nodes[1].alive
    assert not answers(cluster.ports[1][0])
    cluster.resume()
    assert eventually(lambda: answers(cluster.ports[1][0]))


def test_a_paused_node_can_be_stopped(fake, is_running):
    cluster = fake()
    cluster.start()
    pid = cluster.nodes[1].pid
    cluster.pause()
    cluster.stop_node()
    assert not is_running(pid)
    with pytest.raises(LocalStackError, match="start it first"):
        cluster.resume()


def test_a_node_that_fails_shows_its_last_lines_and_its_log(fake):
    cluster = fake(code=FAIL)
    with pytest.raises(LocalStackError, match="fake-1 ended") as raised:
        cluster.start()
    assert str(cluster.nodes[1].log) in str(raised.value)
    assert "line 29" in str(raised.value)
    assert "line 9\n" not in str(raised.value)


def test_a_node_that_never_gets_ready_is_given_up(fake):
    with pytest.raises(LocalStackError, match=r"not ready after 0\.3 s"):
        fake(code=MUTE, boot_timeout=0.3).start()


def test_a_program_that_does_not_exist_is_named(fake):
    with pytest.raises(LocalStackError, match=r"fake-1 cannot be executed: .*No such file.*/nowhere/java"):
        fake(program="/nowhere/java").start()


def test_a_port_lost_to_another_process_is_replaced(fake, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        offered = iter([[taken]])
        real = Cluster.start.__globals__["free_ports"]
        monkeypatch.setitem(Cluster.start.__globals__, "free_ports", lambda count: next(offered, None) or real(count))
        cluster = fake()
        cluster.start()
        assert cluster.ports[1] != [taken]
        assert json.loads((cluster.folder / "fake-ports.json").read_text()) == {"1": cluster.ports[1]}


def test_kept_data_is_bound_to_its_ports(fake):
    first = fake(2)
    first.start()
    with pytest.raises(LocalStackError, match="are in use"):
        fake(2).start()
    first.stop()
    with pytest.raises(LocalStackError, match=r"holds 2 fake node\(s\)"):
        fake(3).start()
    second = fake(2)
    second.start()
    assert second.ports == first.ports


def test_stop_ends_a_start_under_way(fake, eventually):
    cluster = fake(code=MUTE)
    errors = []

    def start():
        try:
            cluster.start()
        except LocalStackError as error:
            errors.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    assert eventually(lambda: cluster.nodes[1].alive)
    cluster.stop()
    starting.join(5)
    assert not starting.is_alive()
    assert not isinstance(errors[0], PortTaken)


def test_a_program_dies_with_its_guard(fake, eventually, is_running):
    cluster = fake()
    cluster.start()
    pid = cluster.nodes[1].pid
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    assert eventually(lambda: not is_running(pid))
    assert cluster.dead_nodes() == [cluster.nodes[1]]
