"""`python -m demo`: starts the whole system on this machine and plays a conversation. `--once` checks it and exits."""

import argparse
import asyncio
import signal
import statistics
import sys
import threading
import time
from contextlib import nullcontext

from aiohttp import ClientError, ClientSession
from rich.console import Console
from rich.table import Table

from demo.guide import addresses, curl_lines
from demo.home import home_of
from demo.story import CHATBOT, NUMBER, Story
from demo.traces import drawn
from local_stack import LocalStackError
from local_stack.ports import is_free
from testbed.client import Client, StepFailed
from testbed.plan import SERVICES, Choices
from testbed.system import System, SystemFailed
from testbed.traces import receiving

console = Console(highlight=False)


async def perform(system: System, *, once: bool, ai: bool = True, traces: str | None = None) -> None:
    """Onboard, play, check; then, unless `once`, print how to go on. Raises `StepFailed`.

    Without `ai` no conversation is played. `traces` is the URL of the trace receiver; with it, one exchange is drawn.
    """
    async with ClientSession() as session:
        client = Client(session, system.urls, system.secret)
        account = await client.onboard(CHATBOT, NUMBER)
        console.print(f"\naccount: {account['message']}: {account['data']['chatbotId']}, number {NUMBER}\n")
        if ai:
            await _play(system, client)
            if traces is not None:
                console.print(await drawn(session, traces), soft_wrap=True, markup=False)
        else:
            console.print("no AI is running: read `incoming-messages`, and answer on `whatsapp-cloud-send`")
        if not once:
            stack = system.stack
            at = addresses(system.urls, system.secret, kafka=stack.kafka_bootstrap_servers, mongodb=stack.mongodb_uri)
            console.print(f"\n{at}\n\n", soft_wrap=True, markup=False)
            console.print(curl_lines(system.urls, system.secret, client), soft_wrap=True, markup=False)
            console.print("\nrunning until Ctrl-C; logs: " + str(system.folder))


async def _play(system: System, client: Client) -> None:
    story = Story(client, console)
    started = time.monotonic()
    await story.play()
    await story.check()
    system.timings["conversation"] = time.monotonic() - started
    console.print(_table(system.timings, story.latencies))
    console.print("every message got exactly one reply, in order, and every reply was read")


def _table(timings: dict[str, float], latencies: list[float]) -> Table:
    table = Table("stage", "took")
    for stage, seconds in timings.items():
        table.add_row(stage, f"{seconds:.1f} s")
    if latencies:
        table.add_row("webhook → reply on the phone, median", f"{statistics.median(latencies):.0f} ms")
        table.add_row("webhook → reply on the phone, worst", f"{max(latencies):.0f} ms")
    return table


def run(*, port: int, once: bool, traces: bool, ai: bool = True) -> int:
    """Run the demo; the exit code, 0 when all went well."""
    if port and not is_free(port):
        console.print(f"port {port} is in use: stop the program that listens there, or choose another port with --port")
        return 2
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _interrupt(stopped))
    began = time.monotonic()
    try:
        with (
            receiving() if traces else nullcontext() as receiver,
            System(
                port=port,
                choices=_choices(receiver, ai=ai),
                usual_ports=not once,
                home=home_of,
                say=lambda text: console.print(text, style="dim"),
            ) as system,
        ):
            asyncio.run(perform(system, once=once, ai=ai, traces=receiver))
            if not once:
                stopped.wait()
    except (StepFailed, SystemFailed, LocalStackError, ClientError) as failure:
        console.print(f"[red]failed:[/red] {failure}", markup=True)
        return 1
    except KeyboardInterrupt:
        return 0 if not once else 130
    console.print(f"the whole run took {time.monotonic() - began:.1f} s")
    return 0


def _choices(receiver: str | None, *, ai: bool) -> Choices:
    """The system's options. With a trace receiver, every exchange is traced."""
    followed = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver, "TRACE_SAMPLE_RATIO": "1"} if receiver else {}
    idle = () if ai else ("ai_responder",)
    return Choices(extra=dict.fromkeys((*SERVICES, "ai_responder"), followed), idle=idle)


def _interrupt(stopped: threading.Event) -> None:
    if stopped.is_set():
        return
    stopped.set()
    raise KeyboardInterrupt


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--once",
        action="store_true",
        help="exit after the conversation, with 0 only if every message got one reply that was read",
    )
    parser.add_argument(
        "--port", type=int, default=3000, help="port of the gateway; 0 takes a free one (default: 3000)"
    )
    parser.add_argument("--traces", action="store_true", help="trace every exchange, and print one trace at the end")
    parser.add_argument(
        "--no-ai", action="store_true", help="do not start the AI example, so that your own consumer can answer"
    )
    arguments = parser.parse_args()
    if arguments.no_ai and (arguments.once or arguments.traces):
        parser.error(
            "--no-ai cannot be used with --once or --traces, because without the AI example there are no replies"
        )
    return run(port=arguments.port, once=arguments.once, traces=arguments.traces, ai=not arguments.no_ai)


if __name__ == "__main__":
    sys.exit(main())
