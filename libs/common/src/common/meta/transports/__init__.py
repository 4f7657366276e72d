"""HTTP clients that can carry a call to Meta, each behind the same protocol."""
