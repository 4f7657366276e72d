"""The NestJS baseline's place."""

import os

from yardstick.services.nest import _FOLDER


def test_its_script_is_there_and_may_be_run():
    assert os.access(_FOLDER / "prepare.sh", os.X_OK)
