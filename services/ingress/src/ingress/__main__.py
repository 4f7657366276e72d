"""`python -m ingress`: run the service."""

import logging
import sys

from common.http.service.command import run_service
from ingress.app import build_fast_path
from ingress.settings import Settings

log = logging.getLogger("ingress")


def _listeners(settings: Settings) -> list[tuple[object, int]]:
    if not settings.app_secrets():
        log.warning(
            "no app secret: every webhook is refused; set WHATSAPP_APP_SECRET (App settings, Basic, App secret in the"
            " dashboard of the Meta app)"
        )
    return [(build_fast_path(settings), settings.http_port)]


if __name__ == "__main__":
    sys.exit(
        run_service(
            "ingress",
            Settings,
            _listeners,
            "Receives Meta's webhooks: verifies them, splits them into facts, writes those to Kafka, and answers.",
        )
    )
