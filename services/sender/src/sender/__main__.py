"""Run the sender: `python -m sender`."""

import argparse
import logging
import sys

from common.http.serve import serve
from common.telemetry.logs import configure_logging
from sender.app import build_app
from sender.settings import SenderSettings


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m sender",
        description="Sends messages to WhatsApp: takes requests over HTTP and from Kafka, each once and in order.",
        epilog="Settings (environment variables): " + ", ".join(sorted(n.upper() for n in SenderSettings.model_fields)),
    )
    parser.parse_args(sys.argv[1:] if argv is None else argv)
    settings = SenderSettings()
    configure_logging("sender", settings.log_level)
    logging.getLogger("sender").info(
        "listening", extra={"url": f"http://{settings.http_host}:{settings.http_port}/whatsapp-cloud/docs/sender"}
    )
    serve((build_app(settings), settings.http_host, settings.http_port), shutdown_seconds=settings.shutdown_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
