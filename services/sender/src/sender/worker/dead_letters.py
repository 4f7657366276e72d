"""Counts dead letters by tenant, for the limit that halts the sender and for the metric."""

from common.contracts.accounts import AccountData
from common.contracts.journal import Entry
from common.contracts.messages import MetaError
from common.kafka.consume.dlq_limit import DeadLetterLimit
from common.kafka.consume.table import Table
from common.telemetry.tenants import UNKNOWN, Tenants
from sender import telemetry
from sender.records.parsing import NOT_UNDERSTOOD


class DeadLetterCounts:
    """The counts of one process. Every method may raise `Halted`; then the dead letter must not be written.

    Times are Unix seconds. Producers choose the chatbot id. An id without an account counts as `UNKNOWN`, so all
    invented ids count as one tenant.
    """

    def __init__(self, limit: DeadLetterLimit, accounts: Table[AccountData], tenants: Tenants) -> None:
        self._limit = limit
        self._accounts = accounts
        self._tenants = tenants

    def ended(self, chatbot_id: str, entry: Entry, now: float) -> None:
        """Count a send that has ended, perhaps as a dead letter."""
        tenant = chatbot_id if self._accounts.get(chatbot_id) is not None else UNKNOWN
        if entry.letter:
            self._letter(entry.error, tenant, now)
        else:
            self._limit.note(letters=0, now=now, tenant=tenant)

    def not_understood(self, now: float) -> None:
        """Count a record that cannot be parsed, so no send is known."""
        self._letter(NOT_UNDERSTOOD, UNKNOWN, now)

    def _letter(self, error: MetaError | None, tenant: str, now: float) -> None:
        self._limit.note(letters=1, now=now, tenant=tenant)
        telemetry.note_letter(error, tenant, self._tenants)
