"""Reading the settings of a program from its environment and `.env`."""

import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from common.environment import EnvFileError, load_env_file
from common.setting_errors import complaints, not_json

T = TypeVar("T", bound=BaseSettings)


def read_settings(name: str, settings_type: type[T]) -> T | None:
    """The settings of program `name`, or None after each one that is missing or wrong was named on stderr.

    They come from the environment, and from `.env` in the working directory.
    """
    try:
        load_env_file()
        return settings_type()
    except EnvFileError as error:
        print_error(f"{name}: {error}")
    except ValidationError as error:
        for sentence in complaints(error, settings_type):
            print_error(f"{name}: {sentence}")
    except SettingsError as error:
        print_error(f"{name}: {not_json(error, settings_type)}")
    return None


def print_error(text: str) -> None:
    """Print a sentence on stderr, where logging is not set up yet."""
    print(text, file=sys.stderr)  # noqa: T201  # logging is not set up yet
