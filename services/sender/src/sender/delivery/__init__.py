"""One send to Meta: decide, claim, call, decide, record."""
