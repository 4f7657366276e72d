"""`python -m conversation`: run the service."""

import sys

from common.http.service.command import run_service
from conversation.app import build_apps
from conversation.settings import Settings


def _listeners(settings: Settings) -> list[tuple[object, int]]:
    apps = build_apps(settings)
    public = (apps.public, settings.http_port)
    return [public] if settings.internal_port is None else [public, (apps.internal, settings.internal_port)]


if __name__ == "__main__":
    sys.exit(
        run_service(
            "conversation",
            Settings,
            _listeners,
            "Stores conversations and messages, publishes events for AI consumers and producers, serves the read API.",
        )
    )
