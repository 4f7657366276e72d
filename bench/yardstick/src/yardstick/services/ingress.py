"""Ingress and its baselines under load."""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from common.contracts import topics
from yardstick.load.webhooks import SECRET
from yardstick.rig.program import Program, ProgramError, python
from yardstick.rig.rig import Rig, free_port


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A process that takes webhooks, and its port."""

    program: Program
    port: int


def ingress(rig: Rig, *, interpreter: str = sys.executable, **more: str) -> Endpoint:
    """The service, of this commit or of the interpreter's; `more` are settings."""
    port, command = free_port(), python("ingress", interpreter=interpreter)
    return Endpoint(rig.service("ingress", command, port, "/health/ready", WHATSAPP_APP_SECRETS=SECRET, **more), port)


def bare_asgi(rig: Rig) -> Endpoint:
    """The lower bound."""
    return _baseline(rig, "bare_asgi", "/")


def pywa(rig: Rig) -> Endpoint:
    """The endpoint that a team starts with."""
    return _baseline(rig, "pywa_fastapi", "/health")


def _baseline(rig: Rig, name: str, ready: str) -> Endpoint:
    port, command = free_port(), python(f"baselines.{name}")
    return Endpoint(rig.service(name, command, port, ready, APP_SECRET=SECRET, TOPIC=topics.WEBHOOKS.name), port)


async def load(port: int, **options: float) -> dict[str, Any]:
    """One run of the load program, away from the service's core; its final output."""
    arguments = [f"--{name}={value}" for name, value in options.items()]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "yardstick.load.http_load", f"--port={port}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise ProgramError(f"the load ended with {process.returncode}")
    said: dict[str, Any] = json.loads(output.splitlines()[-1])
    return said
