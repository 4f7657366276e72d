"""`python -m sender`: run the service."""

import sys

from common.http.service.command import run_service
from sender.app import build_app
from sender.settings import Settings

if __name__ == "__main__":
    sys.exit(
        run_service(
            "sender",
            Settings,
            lambda settings: [(build_app(settings), settings.http_port)],
            "Sends messages to WhatsApp: takes requests from HTTP and Kafka, and sends each once and in order.",
        )
    )
