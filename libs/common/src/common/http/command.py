"""`python -m <service>`: `--help` lists the service's settings; otherwise it serves."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from common.http.serve import HttpSettings, serve
from common.telemetry.logs import configure_logging

S = TypeVar("S", bound=HttpSettings)


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

    `listeners` makes the (ASGI application, port) pairs from the settings. Settings that are missing or wrong end the
    process at once, each named.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=description,
        epilog=settings_help(settings_type),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        settings = settings_type()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            print(f"{name}: {'.'.join(map(str, problem['loc'])).upper()}: {problem['msg']}", file=sys.stderr)  # noqa: T201  # logging is not set up yet
        return 2
    configure_logging(name, settings.log_level)
    pairs = listeners(settings)
    for _, port in pairs:
        logging.getLogger(name).info("serving", extra={"url": f"http://{settings.http_host}:{port}"})
    serve(*((app, settings.http_host, port) for app, port in pairs), shutdown_seconds=settings.shutdown_seconds)
    return 0
