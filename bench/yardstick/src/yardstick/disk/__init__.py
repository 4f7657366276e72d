"""What a turn takes on the disks of Kafka and MongoDB."""
