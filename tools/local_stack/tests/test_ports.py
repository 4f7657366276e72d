import random
import socket

from local_stack import ports


def test_ports_lie_below_those_that_clients_are_given(monkeypatch):
    monkeypatch.setattr(ports, "_range_text", lambda: "32768\t60999\n")
    found = ports.free_ports(20, random.Random(7))
    assert len(set(found)) == 20
    assert all(10_000 <= port < 32_768 for port in found)


def test_a_port_in_use_is_not_free_and_is_free_again_later():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_ports_in_use_are_passed_over(monkeypatch):
    taken = set(ports.free_ports(5, random.Random(1)))
    monkeypatch.setattr(ports, "is_free", lambda port: port not in taken)
    assert not taken & set(ports.free_ports(5, random.Random(1)))


def test_the_kernel_chooses_where_clients_may_have_any_port(monkeypatch):
    monkeypatch.setattr(ports, "_range_text", lambda: "1024 65535")
    found = ports.free_ports(4)
    assert len(set(found)) == 4
    assert all(ports.is_free(port) for port in found)
