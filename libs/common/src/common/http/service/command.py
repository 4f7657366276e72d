"""`python -m <service>`: `--help` lists the service's settings; otherwise it serves."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from common.http.service.port import NoPort
from common.http.service.serve import HttpSettings, serve
from common.setting_names import unknown_variables
from common.settings import print_error, read_settings
from common.telemetry import spans
from common.telemetry.logs import configure_logging

S = TypeVar("S", bound=HttpSettings)

_PORTS: Final = ("HTTP_PORT", "INTERNAL_PORT")
"""The setting of each listener's port, in their order."""


def settings_help(settings: type[HttpSettings]) -> str:
    """Every setting as its environment variable, its default and what it is for."""
    lines = ["settings (environment variables):"]
    for name, field in sorted(settings.model_fields.items()):
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!s}"
        lines.append(f"  {name.upper():34} {default[:60]}{': ' + field.description if field.description else ''}")
    return "\n".join(lines)


def run_service(
    name: str,
    settings_type: type[S],
    listeners: Callable[[S], Sequence[tuple[Any, int]]],
    description: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Run one service until SIGTERM or SIGINT; the exit code.

    `listeners` makes the (ASGI application, port) pairs from the settings: the public one, then the internal one.
    Settings that are missing or wrong, and a port that is taken, end the process at once, each named.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=description,
        epilog=settings_help(settings_type),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(sys.argv[1:] if argv is None else argv)
    settings = read_settings(name, settings_type)
    if settings is None:
        return 2
    configure_logging(name, settings.log_level)
    for sentence in unknown_variables(os.environ):
        logging.getLogger(name).warning(sentence)
    pairs = listeners(settings)
    spans.start(name, settings)
    try:
        serve(
            *((app, settings.http_host, port) for app, port in pairs),
            shutdown_seconds=settings.shutdown_seconds,
            limits=settings.http_limits(),
        )
    except NoPort as error:
        print_error(f"{name}: {_PORTS[error.position]}: {error}")
        return 1
    finally:
        spans.stop()
    return 0
