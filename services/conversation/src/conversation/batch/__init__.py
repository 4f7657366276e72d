"""A batch of facts: from Kafka records to documents and events. Pure."""
