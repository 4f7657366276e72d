"""The part of the control API that is about Meta's limits; which of them refuse is the setting `limits`."""

from collections.abc import Awaitable, Callable
from typing import Any

from graph_emulator.control.arguments import business_in, number_in, phone_in, text_in
from graph_emulator.control.scenes import THROUGHPUT_KEYS, change_throughput, only, show_business
from graph_emulator.emulator import Emulator
from graph_emulator.limits.admission import Pair
from graph_emulator.misuse import Misuse
from graph_emulator.webhooks.wire import throughput_upgrade

Json = dict[str, Any]


async def _report(emulator: Emulator, query: Json) -> Json:
    return emulator.limits.report(business_in(emulator, query))


async def _set_throughput(emulator: Emulator, body: Json) -> Json:
    """Another limit for a number, from the next message on; with `webhook` Meta says that it was upgraded."""
    only(body, {"phoneNumberId", "webhook", *THROUGHPUT_KEYS}, "throughput")
    business = business_in(emulator, body)
    change_throughput(business, body)
    if body.get("webhook"):
        emulator.inbound.change(
            business.waba_id, business.phone_number_id, "phone_number_quality_update", throughput_upgrade(business)
        )
    return show_business(business, emulator.directory)


async def _window(emulator: Emulator, query: Json) -> Json:
    return emulator.limits.window(_pair(emulator, query)).view(emulator.clock.now_ms())


async def _move_window(emulator: Emulator, body: Json) -> Json:
    """The person last wrote `agoMs` ago: 24 h closes the customer service window, 72 h the free entry point's."""
    pair, ago_ms = _pair(emulator, body), number_in(body, "agoMs", None)
    return emulator.limits.move_window(pair, ago_ms).view(emulator.clock.now_ms())


async def _expire_media(emulator: Emulator, body: Json) -> Json:
    media_id = text_in(body, "mediaId")
    if not emulator.media.expire(media_id):
        raise Misuse(f"no media has the id {media_id}, or it has expired before")
    return {"expired": media_id}


def _pair(emulator: Emulator, arguments: Json) -> Pair:
    return business_in(emulator, arguments).phone_number_id, phone_in(arguments, "phone")


_Endpoint = Callable[[Emulator, Json], Awaitable[Json]]

GETS: dict[str, _Endpoint] = {"limits": _report, "window": _window}
POSTS: dict[str, _Endpoint] = {
    "throughput": _set_throughput,
    "window": _move_window,
    "media/expire": _expire_media,
}
