"""`python -m graph_emulator`: emulates Meta's WhatsApp Cloud API on one port."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from graph_emulator.app import build_app
from graph_emulator.config import LIMITS, PAIR_READINGS, Config, limits_in
from graph_emulator.control.fault_plans import parse_plan
from graph_emulator.control.scenes import display_number
from graph_emulator.emulator import Emulator
from graph_emulator.faults import FaultPlan
from graph_emulator.misuse import Misuse
from graph_emulator.state.directory import Business
from graph_emulator.state.journal import Journal, restore

_EPILOG = """\
To use it, set GRAPH_BASE_URL=http://127.0.0.1:PORT for the services, and give the URL of the webhook as --webhook-url.
The control API is under /_control, and / is a page with a phone. README.md describes both.

example:
  python -m graph_emulator --port 8085 --app-secret s3cret --webhook-url http://localhost:8001/whatsapp-cloud/webhook
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    make = argparse.ArgumentParser(
        prog="python -m graph_emulator",
        description="Emulates Meta's WhatsApp Cloud API: its calls, errors and webhooks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    make.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    make.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    make.add_argument("--public-url", default="", help="base of media URLs (default: the address it listens on)")
    make.add_argument("--webhook-url", default="", help="where to send webhooks (default: send none)")
    make.add_argument("--verify-token", default="", help="the hub.verify_token that POST /_control/verify sends")
    make.add_argument(
        "--app-secret",
        default=os.environ.get("EMULATOR_APP_SECRET", ""),
        help="key that signs webhooks (X-Hub-Signature-256; default: EMULATOR_APP_SECRET from the environment)",
    )
    make.add_argument(
        "--business",
        action="append",
        default=[],
        type=_business,
        metavar="PHONE_NUMBER_ID:TOKEN:WABA_ID[:DISPLAY_NUMBER]",
        help="a business number and a token that may use it; may be repeated",
    )
    make.add_argument(
        "--ledger", type=Path, help="keep the ledger in this file (JSON lines), and start with its entries"
    )
    make.add_argument("--faults", type=_plan, metavar="FILE", help="start with the fault plan in this JSON file")
    make.add_argument(
        "--seed", type=int, default=0, help="seed for later fault plans without their own seed (default: 0)"
    )
    make.add_argument(
        "--limits",
        type=_limits,
        default=frozenset(),
        metavar="LIMIT,…",
        help=f"Meta's limits to apply: all, none, or some of {','.join(LIMITS)} (default: none)",
    )
    make.add_argument(
        "--pair-reading",
        choices=PAIR_READINGS,
        default=PAIR_READINGS[0],
        help="how to apply the limit per person: as Meta words it, or as a bucket that refills (default: burst)",
    )
    _add_timing(make, Config())
    return make


def _add_timing(make: argparse.ArgumentParser, config: Config) -> None:
    def number(flag: str, default: int, text: str) -> None:
        make.add_argument(flag, type=int, default=default, help=f"{text} (default: %(default)s)")

    number("--sent-after-ms", config.sent_after_ms, "time from acceptance to the status sent")
    number("--delivered-after-ms", config.delivered_after_ms, "time from sent to delivered")
    number("--read-after-ms", config.read_after_ms, "time from delivered to read")
    number("--webhook-concurrency", config.webhook_concurrency, "concurrent webhooks per URL")
    number("--webhook-batch", config.webhook_batch, "most updates in one webhook, when several wait")
    number("--webhook-timeout-ms", config.webhook_timeout_ms, "time limit of a webhook")
    make.add_argument(
        "--retry-delays-ms",
        type=_delays,
        default=config.retry_delays_ms,
        metavar="MS,MS,…",
        help="waits before each retry of a refused webhook; the last wait repeats "
        f"(default: {','.join(map(str, config.retry_delays_ms))})",
    )
    make.add_argument(
        "--omit-callback-data",
        action="store_true",
        help="leave biz_opaque_callback_data out of statuses, as Meta may do",
    )
    make.add_argument(
        "--unordered",
        action="store_true",
        help="let webhooks of one conversation overtake each other, as Meta may do",
    )


def _business(text: str) -> tuple[str, str, str, str]:
    parts = text.split(":")
    if len(parts) not in {3, 4} or not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not PHONE_NUMBER_ID:TOKEN:WABA_ID[:DISPLAY_NUMBER]")
    number, token, waba, *display = parts
    return number, token, waba, display[0] if display else display_number(number)


def _delays(text: str) -> tuple[int, ...]:
    delays = tuple(int(part) for part in text.split(","))
    if min(delays) < 0:
        raise argparse.ArgumentTypeError("delays cannot be negative")
    return delays


def _limits(text: str) -> frozenset[str]:
    try:
        return limits_in(text)
    except Misuse as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _plan(path: str) -> FaultPlan:
    try:
        return parse_plan(json.loads(Path(path).read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None


def _emulator(options: argparse.Namespace) -> Emulator:
    config = Config(
        webhook_url=options.webhook_url,
        app_secret=options.app_secret,
        verify_token=options.verify_token,
        public_url=options.public_url.rstrip("/"),
        sent_after_ms=options.sent_after_ms,
        delivered_after_ms=options.delivered_after_ms,
        read_after_ms=options.read_after_ms,
        webhook_timeout_ms=options.webhook_timeout_ms,
        webhook_concurrency=max(1, options.webhook_concurrency),
        webhook_batch=options.webhook_batch,
        ordered=not options.unordered,
        omit_callback_data=options.omit_callback_data,
        retry_delays_ms=options.retry_delays_ms,
        limits=options.limits,
        pair_reading=options.pair_reading,
    )
    emulator = Emulator(config, seed=options.seed)
    if options.faults is not None:
        emulator.plan = options.faults
    for number, token, waba_id, display in options.business:
        emulator.directory.add_business(Business(number, waba_id, display))
        emulator.directory.grant(token, waba_id)
    return emulator


async def _serve(emulator: Emulator, host: str, port: int) -> None:
    """Listen until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(build_app(emulator), access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        bound = runner.addresses[0][1]
        url = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{bound}"
        emulator.config.public_url = emulator.config.public_url or url
        print(f"graph_emulator listening on {url}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Run until stopped; the exit code, 2 for wrong usage."""
    options = parser().parse_args()
    if options.webhook_url and not options.app_secret:
        print(
            "graph_emulator: --webhook-url needs a key to sign webhooks: give --app-secret or set EMULATOR_APP_SECRET",
            file=sys.stderr,
        )
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    emulator = _emulator(options)
    journal = None
    if options.ledger is not None:
        restore(options.ledger, emulator.ledger)
        emulator.limits.remember(emulator.ledger.sent_after(None, 0))
        journal = Journal(options.ledger)
        emulator.ledger.write_line = journal.write
    try:
        uvloop.run(_serve(emulator, options.host, options.port))
    finally:
        if journal is not None:
            journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
