from pathlib import Path

import pytest

from local_stack.kafka import cluster_id
from local_stack.kafka_config import KafkaPorts, properties

PORTS = {1: KafkaPorts(11001, 11002), 2: KafkaPorts(11003, 11004), 3: KafkaPorts(11005, 11006)}


def _settings(number, ports):
    text = properties(number, ports, Path("/data/kafka-1"))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_one_node_is_its_own_controller():
    settings = _settings(1, {1: PORTS[1]})
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:11002"
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:11001,CONTROLLER://127.0.0.1:11002"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:11001"
    assert settings["log.dirs"] == "/data/kafka-1"


def test_three_nodes_know_one_another():
    settings = _settings(2, PORTS)
    assert settings["node.id"] == "2"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:11002,2@127.0.0.1:11004,3@127.0.0.1:11006"
    assert settings["broker.session.timeout.ms"] == "3000"
    assert settings["broker.heartbeat.interval.ms"] == "500"


@pytest.mark.parametrize(("nodes", "copies", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_every_topic_of_three_nodes_survives_one(nodes, copies, in_sync):
    settings = _settings(1, {number: PORTS[number] for number in range(1, nodes + 1)})
    for name in ("default.", "offsets.topic.", "transaction.state.log."):
        assert settings[f"{name}replication.factor"] == copies
    assert settings["min.insync.replicas"] == settings["transaction.state.log.min.isr"] == in_sync


def test_records_of_four_mib_fit_and_no_topic_appears_by_itself():
    settings = _settings(1, {1: PORTS[1]})
    assert int(settings["message.max.bytes"]) == int(settings["replica.fetch.max.bytes"]) == 5 * 1024 * 1024
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["group.initial.rebalance.delay.ms"] == "0"


def test_the_cluster_id_is_kafkas_form_and_the_same_for_every_node():
    assert cluster_id("127.0.0.1:1") == cluster_id("127.0.0.1:1") != cluster_id("127.0.0.1:2")
    assert len(cluster_id("127.0.0.1:1")) == 22
