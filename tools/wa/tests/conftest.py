"""What several tests of wa share."""

import os

import pytest

from local_stack import LocalStack


@pytest.fixture
def own_kafka():
    """A Kafka without any topic, of one test: host:port."""
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip("needs a Kafka of its own, and one is given")
    with LocalStack(mongo_nodes=0) as stack:
        yield stack.kafka_bootstrap_servers
