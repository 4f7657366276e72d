"""Running a service: its command line, listeners, health and metrics."""
