import pytest

from local_stack import LocalStack, LocalStackError


@pytest.fixture
def _elsewhere(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    monkeypatch.setenv("MONGODB_URI", "mongodb://mongo.example/")


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("infra", ["", "docker"])
def test_given_addresses_are_used_and_nothing_is_started(monkeypatch, infra):
    monkeypatch.setenv("TEST_INFRA", infra)
    with LocalStack(kafka_nodes=3) as stack:
        assert stack.kafka_bootstrap_servers == "kafka.example:9092"
        assert stack.mongodb_uri == "mongodb://mongo.example/"
        assert stack.clusters == []
        assert stack.timings == {}


@pytest.mark.usefixtures("_elsewhere")
def test_nodes_of_others_cannot_be_broken():
    with LocalStack() as stack:
        with pytest.raises(LocalStackError, match="not ours"):
            stack.kafka.kill()
        with pytest.raises(LocalStackError, match="not ours"):
            stack.mongo.pause()


@pytest.mark.usefixtures("_elsewhere")
def test_nothing_is_fetched_for_what_is_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCAL_STACK_CACHE", str(tmp_path / "cache"))
    LocalStack().fetch()
    assert not (tmp_path / "cache").exists()
