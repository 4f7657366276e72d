"""`wa dlq`: its commands and their options."""

import argparse
import sys
from typing import Any, Final

import msgspec

from common.kafka.settings import KafkaSettings
from wa import options
from wa.connection import say
from wa.dlq import show
from wa.dlq.letters import TOPICS, Filters, Letter, Position, parse_position
from wa.dlq.plan import Order, plan_for
from wa.dlq.reading import read_audit, read_letters, read_positions
from wa.dlq.replaying import replay
from wa.errors import Refused, Usage

_FILTERS: Final = ("topic", "reason", "code", "chatbot", "since", "until")
_POSITION_HELP: Final = "a letter's position: topic/partition/offset, as `wa dlq list` shows it"


def register(groups: Any) -> None:
    """Add the group to the command line."""
    verbs = options.add_group(groups, "dlq", "dead letters: list, inspect, replay", "wa dlq list --since 2h")
    found = options.add_command(
        verbs, "list", "list letters, one per line, and a count for each reason", "wa dlq list --topic send --since 2h"
    )
    _add_filters(found)
    found.add_argument("--json", action="store_true", help="one JSON object per letter; the summary goes to stderr")
    found.set_defaults(run=run_list)
    one = options.add_command(verbs, "inspect", "show everything about one letter", "wa dlq inspect send/3/17 --body")
    one.add_argument("position", type=_position, metavar="POSITION", help=_POSITION_HELP)
    one.add_argument(
        "--body",
        action="store_true",
        help="also show the key, the details and the body, which may name and quote people",
    )
    one.set_defaults(run=run_inspect)
    _add_replay(verbs)


def _add_replay(verbs: Any) -> None:
    example = 'wa dlq replay --topic send --reason rate_limited --since 2h --by ann --because "limit raised" --dry-run'
    back = options.add_command(verbs, "replay", "put letters back on the topic they came from, each once", example)
    back.add_argument("positions", type=_position, nargs="*", metavar="POSITION", help=_POSITION_HELP)
    _add_filters(back)
    options.add_reason(back)
    back.add_argument("--dry-run", action="store_true", help="only print what would be done")
    back.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    back.set_defaults(run=run_replay)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", choices=sorted(TOPICS), help="only letters of this topic")
    parser.add_argument("--reason", help="only letters with this reason (for webhooks: with this code)")
    parser.add_argument("--code", help="only letters with this code")
    parser.add_argument("--chatbot", metavar="ID", help="only letters of this chatbot")
    parser.add_argument(
        "--since",
        type=options.moment,
        metavar="TIME",
        help="only letters since then: ISO time (UTC), or 30m, 2h, 7d for so long ago",
    )
    parser.add_argument("--until", type=options.moment, metavar="TIME", help="only letters before then; same formats")
    parser.add_argument("--limit", type=options.count, metavar="N", help="at most N letters, the oldest ones")


async def run_list(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """`wa dlq list`; the exit code."""
    audit = await read_audit(settings)
    letters = await read_letters(settings, _filters(arguments), say)
    shown = letters[: arguments.limit]
    for letter in shown:
        print(msgspec.json.encode(show.facts(letter, audit)).decode() if arguments.json else show.line(letter, audit))
    counts = [f"{len(shown):,} of {len(letters):,} letters", *show.summary(letters)]
    print("\n".join(counts), file=sys.stderr if arguments.json else sys.stdout)
    return 0


async def run_inspect(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """`wa dlq inspect`; the exit code."""
    (letter,) = await read_positions(settings, [arguments.position])
    print("\n".join(show.details(letter, await read_audit(settings))))
    if arguments.body:
        print(show.body_of(letter))
    return 0


async def run_replay(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """`wa dlq replay`; the exit code."""
    plan = plan_for(await _chosen(arguments, settings), await read_audit(settings))
    print("\n".join(show.plan_lines(plan)))
    if not plan.ready and plan.refused:
        raise Refused("nothing was replayed: every letter that was not replayed before is refused")
    if not plan.ready or arguments.dry_run:
        return 0
    if not arguments.yes and not options.confirmed(f"replay {len(plan.ready):,} letters?"):
        raise Refused("nothing was replayed: it was not confirmed")
    result = await replay(settings, plan.ready, Order(arguments.by, arguments.because), say)
    # Letters that are left out now were replayed by another operator since the question.
    print("\n".join([*show.left_out(result), f"replayed {len(result.ready):,} letters"]))
    return 0


async def _chosen(arguments: argparse.Namespace, settings: KafkaSettings) -> list[Letter]:
    filtered = any(getattr(arguments, name) is not None for name in (*_FILTERS, "limit"))
    if bool(arguments.positions) == filtered:
        raise Usage("say which letters: give either positions or filters (for example --topic send)")
    if arguments.positions:
        return await read_positions(settings, arguments.positions)
    return (await read_letters(settings, _filters(arguments), say))[: arguments.limit]


def _filters(arguments: argparse.Namespace) -> Filters:
    return Filters(**{name: getattr(arguments, name) for name in _FILTERS})


def _position(text: str) -> Position:
    try:
        return parse_position(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
