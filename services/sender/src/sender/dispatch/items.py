"""A job as an item of a lane. Pure."""

from typing import Any

from common.contracts.sends import SendRequest
from sender.dispatch.model import Item
from sender.records.job import Job


def item_of(
    job: Job, *, order: int, partition: Any, due: float, strikes: int = 0, parked: str | None = None
) -> Item[Job]:
    """What lanes need to know of a job; `order` is its place in its lane, `due` in Unix seconds."""
    request = job.request if isinstance(job.request, SendRequest) else None
    return Item(
        id=job.item_id,
        lane=job.lane,
        tenant=job.chatbot_id,
        order=order,
        attempt=job.attempts,
        partition=partition,
        offset=job.position.offset,
        payload=job,
        due=due,
        strikes=strikes,
        parked=parked,
        bulk=request is not None and request.category == "campaign",
        paced=request is not None and request.kind != "read",
        expires=request.expires_at.timestamp() if request is not None and request.expires_at else float("inf"),
    )
