"""The known business numbers, their WhatsApp Business Accounts, access tokens, and customers."""

from dataclasses import asdict, dataclass, field
from typing import Any

from graph_emulator.config import camel
from graph_emulator.ids import bsuid
from graph_emulator.state.levels import messages_per_second
from graph_emulator.wa_ids import wa_id_of

Json = dict[str, Any]

DEFAULT_TEMPLATE_CATEGORY = "utility"


@dataclass(slots=True)
class Waba:
    """A WhatsApp Business Account: it gets webhooks only while the app is subscribed to it."""

    id: str
    subscribed: bool = True
    callback: str = ""
    """`override_callback_uri`; empty: the app's default."""


@dataclass(slots=True)
class Business:
    """One business phone number."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    """Digits only."""
    verified_name: str = "Emulated Business"
    registered: bool = True
    pin: str = ""
    throughput_level: str = "STANDARD"
    on_biz_app: bool = False
    """Coexistence: the number is in use with the WhatsApp Business app as well."""
    own_messages_per_second: int = 0
    """A limit set by a test; 0: the limit of the level and of coexistence."""
    callback: str = ""
    """`webhook_configuration` of this number; goes before the WABA's."""
    template_categories: dict[str, str] = field(default_factory=dict)
    """Template name → pricing category; others are utility."""
    register_calls: list[int] = field(default_factory=list)
    """When `register` was called (ms), for its limit of 10 per 72 h."""

    @property
    def messages_per_second(self) -> int:
        """Allowed messages per second, inbound and outbound together."""
        return messages_per_second(self.throughput_level, on_biz_app=self.on_biz_app, own=self.own_messages_per_second)

    def category(self, body: Json) -> str:
        """The pricing category of a message: `service` unless it is a template."""
        template = body.get("template")
        if not isinstance(template, dict):
            return "service"
        return self.template_categories.get(str(template.get("name")), DEFAULT_TEMPLATE_CATEGORY)


@dataclass(slots=True)
class Customer:
    """One person with a phone, and how that phone behaves."""

    wa_id: str
    user_id: str
    profile_name: str
    username: str = ""
    withhold_phone: bool = False
    """Webhooks name this person by BSUID alone: no wa_id, from or recipient_id."""
    on_whatsapp: bool = True
    """False: messages are accepted and then fail with 131026."""
    offline: bool = False
    """True: messages stay at `sent` until it is set to false."""
    blocked: bool = False
    """True: this person blocked the business; messages stay at `sent`."""
    never_reads: bool = False
    chat_open: bool = False
    """True: `delivered` is skipped, only `read` comes."""
    identity_key_hash: str = ""
    is_group: bool = False
    delivered_after_ms: int | None = None
    read_after_ms: int | None = None

    def view(self) -> Json:
        """The customer as the control API shows it."""
        return {camel(key): value for key, value in asdict(self).items() if value is not None}

    @property
    def lane(self) -> str:
        """The name that identifies this person in a conversation."""
        return self.user_id


class Directory:
    """Every business, token and customer, in memory. A customer is created when first named."""

    def __init__(self) -> None:
        self.businesses: dict[str, Business] = {}
        self.wabas: dict[str, Waba] = {}
        self.tokens: dict[str, frozenset[str]] = {}
        """Access token → ids of the WABAs it may act for."""
        self.token_ends: dict[str, int] = {}
        """Access token → Unix seconds after which it is no longer valid; others do not expire."""
        self.customers: dict[str, Customer] = {}
        self.groups: dict[str, Customer] = {}
        """By their ids."""
        self._by_user_id: dict[str, Customer] = {}

    def add_business(self, business: Business) -> None:
        """Add or replace a number; its WABA is created with it."""
        self.businesses[business.phone_number_id] = business
        self.wabas.setdefault(business.waba_id, Waba(business.waba_id))

    def grant(self, token: str, waba_id: str) -> None:
        """Let `token` act for a WABA, besides those it may already act for."""
        self.tokens[token] = self.tokens.get(token, frozenset()) | {waba_id}

    def expire(self, token: str, at: int) -> bool:
        """Let a token end at this moment (Unix seconds; 0: never); False when it is not known."""
        if token not in self.tokens:
            return False
        self.token_ends[token] = at
        return True

    def expired_at(self, token: str, now: float) -> int | None:
        """When a token expired (Unix seconds), if it has."""
        ends = self.token_ends.get(token, 0)
        return ends if 0 < ends <= now else None

    def revoke(self, token: str) -> bool:
        """Make a token invalid; False when it was not known."""
        self.token_ends.pop(token, None)
        return self.tokens.pop(token, None) is not None

    def customer(self, wa_id: str) -> Customer:
        """The customer with this phone number, in any notation, known from now on."""
        wa_id = wa_id_of(wa_id)
        known = self.customers.get(wa_id)
        if known is None:
            known = Customer(wa_id, bsuid(wa_id), profile_name=f"Customer {wa_id[-4:]}")
            self.customers[wa_id] = known
            self._by_user_id[known.user_id] = known
        return known

    def known_customer(self, name: str) -> Customer | None:
        """The customer with this phone number or BSUID, if there is one already."""
        return self.customers.get(wa_id_of(name)) or self.groups.get(name) or self._by_user_id.get(name)

    def group(self, group_id: str) -> Customer:
        """The group with this id, known from now on: any id will do. It stands in for its members' phones."""
        known = self.groups.get(group_id)
        if known is None:
            known = self.groups[group_id] = Customer(group_id, group_id, profile_name="Group", is_group=True)
        return known

    def customer_by_user_id(self, user_id: str) -> Customer | None:
        """The customer with this BSUID, if the emulator has met them."""
        return self._by_user_id.get(user_id)

    def forget_customers(self) -> None:
        """Every phone behaves by default again."""
        self.customers.clear()
        self.groups.clear()
        self._by_user_id.clear()

    def business_by_number(self, display_phone_number: str) -> Business | None:
        """The business number with these digits."""
        found = (b for b in self.businesses.values() if b.display_phone_number == display_phone_number)
        return next(found, None)
