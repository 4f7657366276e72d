"""What guards a listener: limits of bytes, time, connections and memory for requests (ADR 0022)."""
