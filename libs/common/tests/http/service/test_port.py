"""Ports that can be had, and ports that cannot."""

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from common.http.service.port import NoPort, bind_to


def test_a_bound_port_is_ours_and_refuses_until_it_listens():
    with ExitStack() as opened:
        for one in (sockets := bind_to(0, "127.0.0.1", 0)):
            opened.callback(one.close)
        address = sockets[0].getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        sockets[0].listen()
        with pytest.raises(NoPort, match="in use already") as caught:
            bind_to(1, *address)
        assert caught.value.position == 1


PROGRAM = """
import socket
from common.http.service.port import NoPort
from common.http.service.serve import serve

async def app(scope, receive, send):
    global thief
    thief = socket.create_server(("127.0.0.1", port))  # binds, and listens before we do
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
try:
    serve((app, "127.0.0.1", port))
except NoPort as error:
    print(error.position, error)
"""


def test_a_port_that_another_takes_while_we_start_is_named():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert "in use already" in done.stdout
    assert done.stdout.startswith("0 cannot listen on port")
    assert "Traceback" not in done.stderr


def test_the_port_is_free_again_when_a_later_address_cannot_be_had(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    first, second = ((socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "192.0.2.1"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [first, second])
    with pytest.raises(NoPort, match="does not have the address"):
        bind_to(0, "both", port)
    socket.create_server(("127.0.0.1", port)).close()


def test_a_host_that_is_not_known_is_named():
    with pytest.raises(NoPort, match=r"of no-such-host\.invalid: the host name is not known"):
        bind_to(0, "no-such-host.invalid", 8000)
