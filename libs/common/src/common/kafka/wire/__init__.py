"""Kafka's bytes: decoding, decompression, partitioning, and a patch of aiokafka."""
