"""More partitions for topics, and waiting sends that stand at partitions where they do not belong."""
