"""What accounts reads and writes."""

from typing import Final

from accounts.core import REJECTED, VERIFY_TOKEN, Change
from accounts.renewal import DigestRenewal
from accounts.store import Expected
from yardstick.queries.query import Query
from yardstick.queries.world import ROTATED, World, account_change


async def _account(world: World) -> None:
    turn = world.turn()
    change = account_change(turn.chatbot, turn.phone_number_id, world.now)
    document = await world.accounts.save(turn.chatbot, change, world.now)
    revision = document["revision"]
    found = await world.accounts.update(turn.chatbot, Change({"updatedAt": world.now}), Expected(revision))
    assert found is not None  # noqa: S101  # nothing else writes here
    revision = found["revision"]
    await world.accounts.mark_rejected(turn.chatbot, {"at": world.now}, revision)
    await world.accounts.clear_rejected(turn.chatbot, revision)
    await world.accounts.reseal(turn.chatbot, found, VERIFY_TOKEN, found[VERIFY_TOKEN])
    await world.accounts.unpublished()
    await world.accounts.published(turn.chatbot, revision)


async def _all(world: World) -> None:
    async for document in world.accounts.all():
        document.pop(REJECTED, None)
    await DigestRenewal(world.accounts, ROTATED, at_once=5).round()


ACCOUNTING: Final = (
    Query("account", lambda w: w.accounts.get(w.turn().chatbot)),
    Query("account changed", _account),
    Query("all accounts", _all, whole=True),
)
