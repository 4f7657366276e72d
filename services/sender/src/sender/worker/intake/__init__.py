"""From consumed records to sends: what each asks for, and which may wait while others are looked at first."""
