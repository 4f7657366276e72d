"""`python -m accounts`: run the service; `python -m accounts rewrap`: re-wrap secrets by the primary key."""

import sys

from accounts import rewrap
from accounts.app import build_apps
from accounts.settings import Settings
from common.http.service.command import run_service
from common.settings import read_settings
from common.telemetry.logs import configure_logging


def _listeners(settings: Settings) -> list[tuple[object, int]]:
    apps = build_apps(settings)
    return [(apps.public, settings.http_port), (apps.internal, settings.internal_port)]


if __name__ == "__main__":
    if sys.argv[1:] == ["rewrap"]:
        found = read_settings("accounts", Settings)
        if found is None:
            sys.exit(2)
        configure_logging("accounts", found.log_level)  # its progress is logged
        sys.exit(rewrap.main(found))
    sys.exit(
        run_service(
            "accounts",
            Settings,
            _listeners,
            "Stores accounts and their encrypted credentials. `python -m accounts rewrap` re-wraps them.",
        )
    )
