"""What was refused, as a report for the sender."""
