"""`python -m conversation`: run the service."""

import sys

from common.http.command import run_service
from conversation.app import build_app
from conversation.settings import Settings

if __name__ == "__main__":
    sys.exit(
        run_service(
            "conversation",
            Settings,
            lambda settings: [(build_app(settings), settings.http_port)],
            "Keeps conversations, messages and statuses; tells AI consumers and producers; answers the read API.",
        )
    )
