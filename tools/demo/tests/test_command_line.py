"""What the demo's options refuse together."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("other", ["--once", "--traces"])
def test_without_an_ai_there_is_no_conversation_to_prove(other):
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--no-ai", other], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "--no-ai cannot be used with --once or --traces" in done.stderr
