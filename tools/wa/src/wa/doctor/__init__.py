"""`wa doctor`: looks at Kafka, MongoDB, the configuration and Meta, and reports problems and how to fix them."""
