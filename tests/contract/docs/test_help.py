"""Every command explains itself with `--help`, starts nothing then, and its examples can be run as printed."""

import re
import shlex
import subprocess
import sys

import pytest

COMMANDS = (
    *("ai_responder", "chaos", "chaos.check_broken_builds", "demo", "demo.play", "flood", "flood.lively"),
    *("graph_emulator", "hostile", "local_stack", "mutants", "otlp_receiver", "outbound_http", "panels"),
    *("testbed.gateway", "yardstick"),
)
EXAMPLE = re.compile(r"python -m [\w.]+(?: [^\s`]+)*")  # ends at a backtick, at two blanks, or with its line


def helped(*command):
    return subprocess.run(
        [sys.executable, "-m", *command, "--help"], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself_and_its_examples_can_be_run(command):
    done = helped(command)
    assert (done.returncode, done.stdout.startswith(f"usage: python -m {command} ")) == (0, True), done.stderr
    _, _, text = done.stdout.partition("\n\n")
    for example in set(EXAMPLE.findall(text)) - {f"python -m {command}"}:
        tried = helped(*shlex.split(example)[2:])  # what stands before `--help` is parsed, and refused when wrong
        assert tried.returncode == 0, (example, tried.stderr)
