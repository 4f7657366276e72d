"""`python -m ingress`: run the service."""

import sys

from common.http.command import run_service
from ingress.app import build_front
from ingress.settings import Settings

if __name__ == "__main__":
    sys.exit(
        run_service(
            "ingress",
            Settings,
            lambda settings: [(build_front(settings), settings.http_port)],
            "Takes Meta's webhooks: verifies them, cuts them into facts, stores those on Kafka, answers.",
        )
    )
