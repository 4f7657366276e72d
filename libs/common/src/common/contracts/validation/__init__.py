"""Why a request is refused, in sentences for its caller. Pure."""
