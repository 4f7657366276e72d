"""The measurements as tables in Markdown. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from yardstick.disk.measuring import InCollections, OnTopics


def tables(on_topics: Sequence[OnTopics], in_collections: Sequence[InCollections]) -> Iterator[str]:
    """All lines."""
    if on_topics:
        yield from _topics(on_topics)
    if in_collections:
        yield from _collections(in_collections)


def _topics(found: Sequence[OnTopics]) -> Iterator[str]:
    sides = list(dict.fromkeys(one.side for one in found))
    together = sorted({one.together for one in found})
    names = list(found[0].topics)
    yield from _head("bytes of a turn on topics", [f"{side}, {count}" for count in together for side in sides])
    columns = [_medians(found, side, count) for count in together for side in sides]
    for name in names:
        yield _row(name, (topics[name] for topics, _ in columns))
    yield _row("**all topics**", (sum(topics.values()) for topics, _ in columns))
    for process in columns[0][1]:
        yield _row(f"{process}, µs of CPU", (cpu[process] for _, cpu in columns))
    yield ""


def _medians(found: Iterable[OnTopics], side: str, together: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
    mine = [one for one in found if (one.side, one.together) == (side, together)]
    return (
        {name: median(one.topics[name] for one in mine) for name in mine[0].topics},
        {name: median(one.cpu_us[name] for one in mine) for name in mine[0].cpu_us},
    )


def _collections(found: Sequence[InCollections]) -> Iterator[str]:
    yield from _head("bytes of a turn in collections", [one.side for one in found])
    for name in found[0].collections:
        yield _row(f"{name}: documents", (one.collections[name].documents for one in found))
        indexes = list(dict.fromkeys(index for one in found for index in one.collections[name].indexes))
        for index in indexes:
            yield _row(f"{name}.{index}", (one.collections[name].indexes.get(index) for one in found))
    documents = (sum(size.documents for size in one.collections.values()) for one in found)
    yield _row("**documents**", documents)
    yield _row("**indexes**", (sum(sum(s.indexes.values()) for s in one.collections.values()) for one in found))
    yield _row("**all collections**", (sum(size.total for size in one.collections.values()) for one in found))
    yield _row("mongod, µs of CPU", (one.mongod_us for one in found))
    yield ""


def _head(what: str, columns: Iterable[str]) -> Iterator[str]:
    titles = [what, *columns]
    yield f"| {' | '.join(titles)} |"
    yield f"|---|{'---:|' * (len(titles) - 1)}"


def _row(name: str, values: Iterable[float | None]) -> str:
    return f"| {name} | {' | '.join('-' if value is None else f'{value:,.0f}' for value in values)} |"
