"""`whatsapp-cloud-ingress-reports`: whether each ingress takes what Meta brings.

The sender has to tell silence of Meta's from silence of ours: while ingress refuses webhooks, or is away, no status can
come, and that none came says nothing about a message.
"""

from datetime import datetime
from typing import Final

from common.contracts.envelope import Contract, Event

VERSION: Final = 1
REPORT: Final = "ingress.report"
EVERY_SECONDS: Final = 2.0
"""How often a replica reports."""


class Refusals(Contract, frozen=True, kw_only=True):
    """Webhooks were refused from `since` to `last`: of one business number, or (None) of any.

    They are not `certain` while they may be forgeries: bodies with a wrong signature that name the number.
    """

    since: datetime
    last: datetime
    phone_number_id: str | None = None
    certain: bool = True


class ReportData(Contract, frozen=True, kw_only=True):
    """How one replica of ingress stands.

    `takes` says whether it can take anything at all (it has an app secret). `refusals` are those since its last
    report. What is not `certain` is said again in each report, until it is certain or was not so. `leaving` is the last
    word of a replica that is stopped.
    """

    replica: str
    takes: bool = True
    leaving: bool = False
    refusals: tuple[Refusals, ...] = ()


class IngressReport(Event, frozen=True, kw_only=True):
    """One report. Its `recordedAt`, by the clock of ingress, is when all of it was so."""

    data: ReportData
