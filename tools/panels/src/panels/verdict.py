"""The verdict of a run and its report: panels without data, alerts without series, alerts that fired. Pure."""

import math
from collections.abc import Iterator
from typing import Any

from panels.boards import queries_of

Json = dict[str, Any]


def samples(result: list[Json]) -> int:
    """The number of samples that are numbers. A quantile without data is NaN, which shows nothing."""
    return sum(not math.isnan(float(value)) for series in result for _, value in series["values"])


def empty(boards: list[Json], seen: Json) -> list[str]:
    """The queries without data, by place."""
    return [query.place for query in queries_of(boards) if not samples(seen["results"].get(query.promql, []))]


def without_exemplars(boards: list[Json], seen: Json) -> list[str]:
    """The queries that ask for exemplars and get none."""
    return [
        query.place
        for query in queries_of(boards)
        if query.exemplars and not any(series["exemplars"] for series in seen["exemplars"].get(query.promql, []))
    ]


def unread(seen: Json) -> list[str]:
    """The series that alerts read and that do not exist."""
    return [
        f"{alert['name']}: {selector}"
        for alert in seen["alerts"]
        for selector, count in alert["reads"].items()
        if not count
    ]


def report(boards: list[Json], seen: Json) -> str:
    """The report as text."""
    return "\n".join(_lines(boards, seen))


def _lines(boards: list[Json], seen: Json) -> Iterator[str]:
    queries = queries_of(boards)
    start = seen["span"]["start"]
    yield "incidents (seconds from the start):"
    for incident in seen["incidents"]:
        yield f"  {incident['start'] - start:5.0f} to {incident['end'] - start:5.0f}  {incident['name']}"
    yield "alerts:"
    for alert in seen["alerts"]:
        fired = f", after {alert['firedAt'] - start:.0f} s" if alert["firedAt"] else ""
        yield f"  {alert['name']:<22} {alert['state']}{fired}"
    asked = [query for query in queries if query.exemplars]
    yield f"{len(queries)} queries of {len({(query.board, query.panel) for query in queries})} panels"
    yield from _found("show nothing", empty(boards, seen))
    yield from _found(f"of {len(asked)} that ask for exemplars get none", without_exemplars(boards, seen))
    yield from _found("series that alerts read are not there", unread(seen))


def _found(what: str, places: list[str]) -> Iterator[str]:
    yield f"{len(places)} {what}"
    for place in places:
        yield f"  {place}"
