"""What a query of the list is: something that runs it, with keys by chance."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from yardstick.queries.world import World


@dataclass(frozen=True, slots=True)
class Query:
    """Something that the services or `wa` do. `whole`: it goes through all that is there, so once is enough."""

    name: str
    run: Callable[[World], Awaitable[object]]
    whole: bool = False
