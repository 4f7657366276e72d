"""`python -m <service>`: `--help` lists the service's settings; otherwise it serves."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from common.environment import EnvFileError, load_env_file, unknown_variables
from common.http.bound import NoPort
from common.http.complaints import complaints, not_json
from common.http.serve import HttpSettings, serve
from common.telemetry import tracing
from common.telemetry.logs import configure_logging

S = TypeVar("S", bound=HttpSettings)
T = TypeVar("T", bound=BaseSettings)

_PORTS: Final = ("HTTP_PORT", "INTERNAL_PORT")
"""The setting of each listener's port, in their order."""


def settings_help(settings: type[HttpSettings]) -> str:
    """Every setting as its environment variable, its default and what it is for."""
    lines = ["settings (environment variables):"]
    for name, field in sorted(settings.model_fields.items()):
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!s}"
        lines.append(f"  {name.upper():34} {default[:60]}{': ' + field.description if field.description else ''}")
    return "\n".join(lines)


def read_settings(name: str, settings_type: type[T]) -> T | None:
    """The settings of program `name`, or None after each one that is missing or wrong was named on stderr.

    They come from the environment, and from `.env` in the working directory.
    """
    try:
        load_env_file()
        return settings_type()
    except EnvFileError as error:
        _complain(f"{name}: {error}")
    except ValidationError as error:
        for sentence in complaints(error, settings_type):
            _complain(f"{name}: {sentence}")
    except SettingsError as error:
        _complain(f"{name}: {not_json(error, settings_type)}")
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
    tracing.start(name, settings)
    try:
        serve(
            *((app, settings.http_host, port) for app, port in pairs),
            shutdown_seconds=settings.shutdown_seconds,
            limits=settings.http_limits(),
        )
    except NoPort as error:
        _complain(f"{name}: {_PORTS[error.position]}: {error}")
        return 1
    finally:
        tracing.stop()
    return 0
