"""Ports that can be had, and ports that cannot."""

import socket
from contextlib import ExitStack

import pytest

from common.http.bound import NoPort, listen_on


def test_a_free_port_is_listened_on_at_once():
    with ExitStack() as opened:
        for one in (sockets := listen_on(0, "127.0.0.1", 0)):
            opened.callback(one.close)
        with socket.create_connection(sockets[0].getsockname(), timeout=5):
            pass
        with pytest.raises(NoPort, match="in use already") as caught:
            listen_on(1, "127.0.0.1", sockets[0].getsockname()[1])
        assert caught.value.position == 1


def test_the_port_is_free_again_when_a_later_address_cannot_be_had(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    first, second = ((socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "192.0.2.1"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [first, second])
    with pytest.raises(NoPort, match="does not have the address"):
        listen_on(0, "both", port)
    socket.create_server(("127.0.0.1", port)).close()


def test_a_host_that_is_not_known_is_named():
    with pytest.raises(NoPort, match=r"of no-such-host\.invalid: the host name is not known"):
        listen_on(0, "no-such-host.invalid", 8000)
