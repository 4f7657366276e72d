"""`wa doctor`: looks at Kafka, MongoDB, the configuration and Meta, and says what is wrong and how to mend it."""
