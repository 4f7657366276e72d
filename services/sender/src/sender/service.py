"""Every part of the sender, wired and not yet started."""

from datetime import timedelta
from functools import partial

from common.contracts import topics
from common.contracts.accounts import AccountChanged, AccountData
from common.contracts.envelope import decode, decoder
from common.contracts.journal import Entry
from common.contracts.number_events import NumberNews
from common.http.clients.accounts import CredentialsClient
from common.http.clients.conversation import WindowsClient
from common.http.fetch.fetcher import Fetcher
from common.http.service.lifespans import Lifespan, closing, running
from common.http.uploads.capacity import Capacity
from common.kafka.clients import make_group_consumer, make_transactional_producer
from common.kafka.consume.at_least_once import Follower
from common.kafka.consume.dlq_limit import DeadLetterLimit
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.consume.table import Table
from common.kafka.consume.unfinished import UnfinishedSends
from common.kafka.dlq_depth import DeadLetterDepth
from common.kafka.produce.publisher import Publisher
from common.meta.client import GraphClient
from common.meta.media.rules import MAX_BYTES as MAX_FILE_BYTES
from common.meta.media.upload import MediaClient
from common.meta.numbers import COEXISTENCE_RATE, NumbersClient
from common.mongo import Mongo
from common.mongo.indexes import Indexes, ensure_each
from common.telemetry.tenants import Tenants
from sender.api.warnings import WarningFinder, one_or_many
from sender.clock import utc_now
from sender.delivery.attempt import Delivery
from sender.delivery.cancellation import Cancellation
from sender.delivery.core import Rules
from sender.delivery.doubt.clock import DoubtClock
from sender.delivery.doubt.reconcile import DoubtWatcher, StatusReconciler
from sender.delivery.end_log import EndLog
from sender.delivery.token_rejections import RejectionReports
from sender.dispatch.fair_queue import VirtualClock
from sender.gauges import SenderGauges, WaitingCounts
from sender.group_commit import GroupCommit, Window
from sender.journal.forms import DatedIds
from sender.journal.opt_outs import OptOutStore
from sender.journal.standing import Standings
from sender.journal.store import JournalStore
from sender.journal.transition import Transition
from sender.limits.circuit_breaker import CircuitBreaker
from sender.limits.numbers import RateLimits, RecentSends
from sender.limits.opt_out_lookup import OptOutLookup
from sender.limits.opt_outs import OptOuts
from sender.limits.rates import Pairs
from sender.limits.refusals import RefusedSubjects
from sender.limits.service_window import ServiceWindows
from sender.limits.status_effects import StatusEffects
from sender.limits.store import NumberStore
from sender.limits.throughput import Throughput
from sender.media.cache import MediaCache
from sender.media.store import MediaStore
from sender.settings import Settings
from sender.telemetry import timed
from sender.waiting.adoption import Adoption
from sender.waiting.parked_store import ParkStore
from sender.waiting.parking import ParkingWriters
from sender.waiting.scheduled_store import ScheduleStore
from sender.waiting.scheduler import ScheduleWriters
from sender.worker.dead_letters import DeadLetterCounts
from sender.worker.intake.read_ahead import ReadAheadBudget
from sender.worker.parts import Limits, WorkerParts
from sender.worker.permits import PrioritySemaphore
from sender.worker.worker import SenderWorker

_ACCOUNT = decoder(AccountChanged)
_NUMBER = decoder(NumberNews)
_GATHER_STATUSES_MS = 100  # they settle doubts, which last for seconds
_GAP_SECONDS = 0.15  # between transactions; only the report to the producer waits for one
# A call waits for its claim, and for its outcome only the conversation's next send. With many writes both gather.
_JOURNAL_WINDOW = Window(shortest=0.02, longest=0.05, per_item=0.002)


class Sender:
    """Every part of the service, wired and not yet started."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Every write here is a compare-and-set or has an id of its own, and is tried again until it is done.
        self.mongo = Mongo(settings, retry_writes=False)
        self.store = JournalStore(self.mongo.database, retention=timedelta(days=settings.sender_journal_days))
        self.transitions: GroupCommit[Transition, Entry] = GroupCommit(
            timed("journal", self.store.write), window=_JOURNAL_WINDOW
        )
        self.loads: GroupCommit[str, Entry | None] = GroupCommit(timed("load", self.store.load))
        self.credentials = CredentialsClient(settings)
        self.rejection_reports = RejectionReports(self.credentials)
        self.graph = GraphClient(settings, max_in_flight=settings.sender_max_in_flight)
        self.media_client = MediaClient(settings)
        self.fetcher = Fetcher(settings)
        self.media_store = MediaStore(self.mongo.database)
        self.spool = _spool_of(settings)
        self.media = self._make_media()
        self.windows = ServiceWindows(WindowsClient(settings) if settings.windows_checked else None)
        self.publisher = Publisher(settings)
        self.accounts: Table[AccountData] = Table(
            settings, topics.ACCOUNTS.name, lambda value: decode(_ACCOUNT, value).data, self._account_changed
        )
        self.doubt_watcher = DoubtWatcher(self.store)
        self.doubt_clock = self._make_doubt_clock()
        self.parking_writers = ParkingWriters(ParkStore(self.mongo.database))
        self.schedule_writers = ScheduleWriters(ScheduleStore(self.mongo.database))
        self.dead_letter_limit = DeadLetterLimit(settings)
        self.breaker = CircuitBreaker(on_close=self._meta_is_back)
        self.refused_subjects = RefusedSubjects(self._taken_again)
        self.opt_outs = OptOuts()
        opt_out_store = OptOutStore(self.mongo.database)
        self.opt_out_lookup = OptOutLookup(opt_out_store, self.opt_outs)
        self.number_store = NumberStore(self.mongo.database)
        self.rate_limits = self._make_rate_limits()
        self.throughput = self._make_throughput()
        self.numbers: Table[NumberNews] = Table(
            settings, topics.NUMBERS.name, lambda value: decode(_NUMBER, value), self._number_changed, history=False
        )
        self.tenants = Tenants(settings.metrics_tenants)
        self.end_log = EndLog()
        self.unfinished = UnfinishedSends(settings, settings.sender_group)
        self.worker = self._make_worker()
        self.gauges = SenderGauges(self.worker, self.rate_limits, self.breaker, self.tenants)
        self.waiting_counts = WaitingCounts(self.mongo.database)
        self.dlq_depth = DeadLetterDepth(settings, topics.SEND_DLQ.name)
        self.status_follower = self._make_status_follower(opt_out_store)
        self.group = self._make_group()
        self.indexes = Indexes(self._ensure_indexes)
        self.cancellation = Cancellation(self.store, self.transitions, self.schedule_writers.store.hasten)

    def _make_doubt_clock(self) -> DoubtClock:
        return DoubtClock(
            self.settings,
            conversation_group=self.settings.sender_conversation_group,
            status_group=self.settings.sender_status_group,
            any_in_doubt=self.doubt_watcher.any_in_doubt,
            window_seconds=self.settings.sender_in_doubt_seconds,
            now=utc_now,
        )

    def _make_throughput(self) -> Throughput:
        return Throughput(
            self.rate_limits,
            self.accounts,
            self.credentials,
            NumbersClient(self.settings),
            self.number_store,
            default=self.settings.sender_messages_per_second,
        )

    def _make_status_follower(self, opt_outs: OptOutStore) -> Follower:
        effects = StatusEffects(self.opt_outs, self.rate_limits, self.windows, utc_now)
        return Follower(
            group=self.settings.sender_status_group,
            topics=[topics.MESSAGE_STATUS.name],
            make_consumer=partial(make_group_consumer, self.settings, gather_ms=_GATHER_STATUSES_MS),
            handle=StatusReconciler(self.store, self.transitions, effects.note, opt_outs.note).handle,
        )

    def _make_group(self) -> PartitionGroup:
        drain_seconds = self.settings.graph_total_seconds + 5.0
        return PartitionGroup(
            group=self.settings.sender_group,
            topics=[topic.name for topic in topics.SEND_FAMILY],
            make_consumer=partial(make_group_consumer, self.settings, drain_seconds=drain_seconds),
            make_producer=partial(make_transactional_producer, self.settings),
            worker=self.worker,
            # Partition i of all four topics forms one session.
            slot_of=lambda tp: str(tp.partition),
            former_slot_of=lambda tp: str(tp.partition),
            gap_seconds=_GAP_SECONDS,
            drain_seconds=drain_seconds,
            on_probe=self.dead_letter_limit.probe,
        )

    def _make_media(self) -> MediaCache:
        return MediaCache(
            self.media_store,
            self.media_client,
            self.fetcher,
            seconds=self.settings.fetch_seconds,
            now=utc_now,
            spool=self.spool,
        )

    def _make_worker(self) -> SenderWorker:
        settings = self.settings
        rules = Rules(
            in_doubt_seconds=settings.sender_in_doubt_seconds,
            in_doubt_resend=settings.sender_in_doubt_policy == "resend",
            pause_seconds=settings.sender_pause_seconds,
            pause_cap_seconds=settings.sender_pause_cap_seconds,
            hold_seconds=settings.sender_hold_seconds,
        )
        delivery = Delivery(
            accounts=self.accounts,
            credentials=self.credentials,
            graph=self.graph,
            media=self.media,
            windows=self.windows,
            transitions=self.transitions,
            loads=self.loads,
            rules=rules,
            breaker=self.breaker,
            on_rejected=self.rejection_reports.report,
            callbacks=settings.callbacks(),
            silence=self.doubt_clock.silence,
            refused=self.refused_subjects,
            opt_outs=self.opt_outs,
            learn_opt_outs=self.opt_out_lookup.learn,
            on_accepted=self.rejection_reports.works,
        )
        limits = Limits(
            permits=PrioritySemaphore(settings.sender_max_in_flight),
            bounds=settings.bounds(),
            drain_seconds=settings.graph_total_seconds + 2.0,
            read_ahead=ReadAheadBudget(settings.sender_read_ahead_bytes),
        )
        return SenderWorker(
            WorkerParts(
                delivery=delivery,
                doubt_watcher=self.doubt_watcher,
                parking_writers=self.parking_writers,
                dead_letters=DeadLetterCounts(self.dead_letter_limit, self.accounts, self.tenants),
                limits=limits,
                rate_limits=self.rate_limits,
                virtual_clock=VirtualClock(self.rate_limits.share_of),
                recent_sends=RecentSends(self.store),
                scheduler_of=self.schedule_writers.of_partition,
                adoption=Adoption(self.schedule_writers.store, self.parking_writers.store),
                dated_since=DatedIds(self.mongo.database).since,
                tenants=self.tenants,
                end_log=self.end_log,
            )
        )

    def _make_rate_limits(self) -> RateLimits:
        settings = self.settings
        return RateLimits(
            self._plan_of,
            settings.sender_plan_weights,
            rate=min(COEXISTENCE_RATE, settings.sender_messages_per_second),
            # One number whose calls hang must not take all calls.
            max_running=max(1, settings.sender_max_in_flight // 2),
            pairs=_pairs_of(settings),
        )

    def _plan_of(self, chatbot_id: str) -> str:
        account = self.accounts.get(chatbot_id)
        return account.plan if account is not None else ""

    async def _ensure_indexes(self) -> None:
        await ensure_each(
            self.store.ensure_indexes,
            self.parking_writers.store.ensure_indexes,
            self.schedule_writers.store.ensure_indexes,
            self.media_store.ensure_indexes,
            self.number_store.ensure_indexes,
        )

    def _meta_is_back(self) -> None:
        self.worker.meta_is_back()

    def _taken_again(self, chatbot_id: str, subject: str | None) -> None:
        self.worker.taken_again(chatbot_id, subject)

    def _account_changed(self, chatbot_id: str, _: AccountData | None) -> None:
        self.credentials.drop(chatbot_id)
        self.throughput.account_changed(chatbot_id)
        self.refused_subjects.release(chatbot_id)
        self.worker.account_changed(chatbot_id)

    def _number_changed(self, _: str, news: NumberNews | None) -> None:
        if news is not None:
            self.throughput.heard(news)

    def lifespans(self) -> list[Lifespan]:
        """In the order of starting. Stopping is the reverse, so the consumers of Kafka stop first."""
        return [
            closing(self.mongo.close),
            closing(
                self.credentials.close,
                self.graph.close,
                self.transitions.close,
                self.loads.close,
                self.parking_writers.close,
                self.schedule_writers.close,
                self.rejection_reports.close,
                self.media_client.close,
                self.fetcher.close,
                self.media.close,
                self.windows.close,
                self.opt_out_lookup.close,
                self.end_log.close,
                self.unfinished.close,
            ),
            running(
                self.indexes,
                self.accounts,
                self.publisher,
                self.throughput,
                self.numbers,
                self.doubt_watcher,
                self.doubt_clock,
                self.status_follower,
                self.group,
                self.gauges,
                self.waiting_counts,
                self.dlq_depth,
            ),
        ]

    def standings(self) -> Standings:
        """Reads the state of sends, for the API."""
        scheduled, parked = self.schedule_writers.store.due_of, self.parking_writers.store.wait_of
        return Standings(self.store.load_one, scheduled, parked, self.unfinished.find, utc_now)

    def warning_finder(self) -> WarningFinder:
        """Finds the warnings of `POST /send`."""
        is_closed, is_held = self.windows.is_closed, self.worker.is_held
        return WarningFinder(
            is_closed=is_closed, is_held=is_held, load=one_or_many(self.loads.submit, self.store.load), now=utc_now
        )


def _pairs_of(settings: Settings) -> Pairs | None:
    pace = settings.sender_pair_pace
    return None if pace == "off" else Pairs(strict=pace == "strict")


def _spool_of(settings: Settings) -> Capacity:
    each = max(MAX_FILE_BYTES, settings.sender_spool_bytes // 2)
    return Capacity(settings.sender_spool_bytes, "bytes of uploads", each=each)
