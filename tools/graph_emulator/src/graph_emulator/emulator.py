"""The emulated WhatsApp in one object: constructs its parts, and starts, resets and stops them together."""

from typing import Any

from graph_emulator.clock import Clock
from graph_emulator.config import Config
from graph_emulator.faults import Event, FaultPlan, WebhookDecision
from graph_emulator.ids import Ids
from graph_emulator.limits.admission import Limits
from graph_emulator.messages.inbound import Inbound
from graph_emulator.messages.outbound import Outbound
from graph_emulator.state.directory import Directory
from graph_emulator.state.ledger import Ledger
from graph_emulator.state.media import MediaStore
from graph_emulator.webhooks.delivery import Delivery

Json = dict[str, Any]


class Emulator:
    """Everything that the routes work on. Start with `open`, end with `close`, both on the event loop that serves."""

    def __init__(self, config: Config, *, clock: Clock | None = None, ids: Ids | None = None, seed: int = 0) -> None:
        self.config = config
        self.seed = seed
        self.clock = clock or Clock()
        self.ids = ids or Ids()
        self.directory = Directory()
        self.ledger = Ledger()
        self.plan = FaultPlan([], seed)
        self.signup_codes: dict[str, tuple[str, int]] = {}
        """Code → (WABA id, when it expires in ms)."""
        self.media = MediaStore(config, self.clock, self.ids)
        self.limits = Limits(config, self.clock)
        self.delivery = Delivery(config, self.directory, self.ledger, self.clock, self._webhook_fault)
        self.outbound = Outbound(
            config=config,
            clock=self.clock,
            ids=self.ids,
            directory=self.directory,
            ledger=self.ledger,
            media=self.media,
            limits=self.limits,
            delivery=self.delivery,
        )
        self.inbound = Inbound(
            clock=self.clock,
            ids=self.ids,
            ledger=self.ledger,
            media=self.media,
            limits=self.limits,
            delivery=self.delivery,
        )

    async def open(self) -> None:
        """Be ready to send webhooks."""
        await self.delivery.open()

    async def close(self) -> None:
        """Stop everything that waits."""
        self.outbound.clear()
        await self.delivery.close()

    @property
    def pending(self) -> Json:
        """Open work: webhooks that are not settled, and messages whose next status is still to come."""
        return {"webhooks": self.delivery.pending, "statuses": self.outbound.pending}

    def reset(self) -> None:
        """Forget messages, customers, faults, media and all waiting work. Businesses, tokens and settings stay.

        With the messages go what limits counted: windows are closed, and nothing is owed.
        """
        self.outbound.clear()
        self.delivery.clear()
        self.ledger.clear()
        self.media.clear()
        self.limits.clear()
        self.directory.forget_customers()
        self.plan = FaultPlan([], self.seed)

    def _webhook_fault(self, event: Event) -> WebhookDecision:
        return self.plan.decide_webhook(event)
