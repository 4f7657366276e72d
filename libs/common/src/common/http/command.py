"""`python -m <service>`: `--help` lists the service's settings; otherwise it serves."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from common.http.serve import HttpSettings, serve
from common.telemetry import tracing
from common.telemetry.logs import configure_logging

S = TypeVar("S", bound=HttpSettings)
T = TypeVar("T", bound=BaseSettings)


def settings_help(settings: type[HttpSettings]) -> str:
    """Every setting as its environment variable, its default and what it is for."""
    lines = ["settings (environment variables):"]
    for name, field in sorted(settings.model_fields.items()):
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!s}"
        lines.append(f"  {name.upper():34} {default[:60]}{': ' + field.description if field.description else ''}")
    return "\n".join(lines)


def read_settings(name: str, settings_type: type[T]) -> T | None:
    """The settings of program `name`, or None after each one that is missing or wrong was named on stderr."""
    try:
        return settings_type()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            setting = ".".join(map(str, problem["loc"])).upper()
            _complain(f"{name}: {setting + ': ' if setting else ''}{problem['msg'].removeprefix('Value error, ')}")
    except SettingsError as error:  # a setting that should be JSON and is not
        _complain(f"{name}: {error}")
    return None


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201  # logging is not set up yet


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
    settings = read_settings(name, settings_type)
    if settings is None:
        return 2
    configure_logging(name, settings.log_level)
    pairs = listeners(settings)
    for _, port in pairs:
        logging.getLogger(name).info("serving", extra={"url": f"http://{settings.http_host}:{port}"})
    tracing.start(name, settings)
    try:
        serve(
            *((app, settings.http_host, port) for app, port in pairs),
            shutdown_seconds=settings.shutdown_seconds,
            limits=settings.http_limits(),
        )
    finally:
        tracing.stop()
    return 0
