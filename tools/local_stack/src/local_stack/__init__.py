"""Real Apache Kafka and MongoDB as subprocesses, from packages alone: no Docker, Java or Maven to install first."""

from local_stack.errors import LocalStackError
from local_stack.kafka import Kafka
from local_stack.mongo import Mongo
from local_stack.stack import LocalStack

__all__ = ["Kafka", "LocalStack", "LocalStackError", "Mongo"]
