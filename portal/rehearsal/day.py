"""The day itself: cases and contacts come in, mails are planned, queued and sent, notes added, quotes answered, the day summed up."""

import io
import random
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from django.core.management import call_command
from django.utils import timezone

from campaigns import hand_over
from campaigns.links import Links
from campaigns.mail_writing import Office
from messaging import batches, delivery, notes
from messaging.gateways.cms import HttpCms
from messaging.gateways.mail import MailServer
from messaging.models import Case, CmsNote, Message, MessageSession, Mode, TemplateVersion
from messaging.outbox import Sender
from messaging.retry import RetryPolicy
from portal import wiring
from portal.quotes.replies import MailTerms
from portal.rehearsal.campaigns import CampaignDesk
from portal.rehearsal.faults import ai_script, foretold, leg_script, mail_script, note_script
from portal.rehearsal.ledger import Facts, ledger
from portal.rehearsal.patience import DayStuck, Tell, until_none
from portal.rehearsal.quotes import QuoteDesk
from portal.rehearsal.summaries import summarise
from portal.sandbox import Sandbox

MAILS = 200
TEMPLATE = "status-request"
SENDER = Sender(address="Operations Portal <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="")
OFFICE_INBOX, SITE_URL, PLANS_URL = "inbox@portal.example", "http://portal.example", "http://plans.example"
OFFICE = {"name": "Operations Portal", "office_name": "Operations Portal", "office_phone": "555-0100", "office_address": "1 Example Street"}
SOON = RetryPolicy(max_tries=SENDER.max_attempts, first_wait=timedelta(milliseconds=50), factor=1)
LEASE = timedelta(seconds=60)
SETTLE = timedelta(seconds=1)
SEED = 20250331


def rehearse(*, folder: Path, with_faults: bool, contacts: int, tell: Tell) -> Facts:
    """The ledger of one day, lived in the configured database, which must be empty, with servers of its own in `folder`."""
    began = time.monotonic()
    with Sandbox(folder / "sandbox") as sandbox:
        day = Day(sandbox, folder=folder, with_faults=with_faults, tell=tell)
        call_command("load_sample_data", stdout=io.StringIO())
        campaigns = day.plan_campaigns(contacts)
        while (left := MAILS - len(day.foretold)) > 0:
            day.queue(left)
            day.send()
        day.live_on(campaigns)
        day.add_notes()
        parts = {"quotes": day.answer_requests(), "campaigns": campaigns.ledger(), "summary": day.sum_up()}
        return ledger(sandbox, foretold=day.foretold, parts=parts) | {"seconds": round(time.monotonic() - began, 1)}


@dataclass
class Day:
    """`foretold`: how each mail queued so far must end, by Message-ID."""

    sandbox: Sandbox
    folder: Path
    with_faults: bool
    tell: Tell
    foretold: dict[str, str] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    def plan_campaigns(self, contacts: int) -> CampaignDesk:
        """So many contacts have come in beside the sample's, everybody's mails are planned, and today's are queued."""
        desk = CampaignDesk(self.sandbox, terms=self.writing, tell=self.tell)
        desk.take_in(contacts, folder=self.folder)
        desk.plan(wiring.today())
        desk.hand_over(wiring.today())
        return desk

    def live_on(self, desk: CampaignDesk) -> None:
        """People have done something about their campaign mails, and the day after has come for these."""
        desk.react()
        self.sandbox.use(mail={})
        desk.day_after(wiring.today() + timedelta(days=1), send=self.send)

    def queue(self, most: int) -> None:
        """One more batch, of every case that may be mailed now; what the mail server will do to it is settled."""
        version = TemplateVersion.objects.filter(template__name=TEMPLATE).latest("number")
        numbers = tuple(Case.objects.exclude(pid="").values_list("pid", flat=True))  # without one, a note waits for a person
        today = wiring.today()
        cases, _ = batches.select(batches.Selection(pids=numbers, limit=most), on=today)
        prepared, skipped = batches.prepare(cases, version=version, office=OFFICE, on=today)
        session = batches.start(prepared, name="Rehearsal", version=version, sender=SENDER, skipped=skipped, by=None, at=timezone.now())
        self._foresee(session)
        self.tell(len(self.foretold), MAILS, "mails queued")

    def _foresee(self, session: MessageSession) -> None:
        mails = list(session.messages.order_by("pk").values_list("message_id", "recipient"))
        if not mails:
            raise DayStuck(f"Only {len(self.foretold)} of {MAILS} mails could be queued: no case may be mailed any more.")
        script = mail_script(mails, chance=self.chance) if self.with_faults else {}
        self.sandbox.use(mail=script)
        self.foretold |= foretold(mails, script, tries=SENDER.max_attempts)

    def send(self) -> None:
        """Nothing is due or waits for another try any more."""
        until_none(Message.objects.unfinished(), "mails sent", lambda: delivery.send_due(self.delivery), tell=self.tell)

    def add_notes(self) -> None:
        """Every note is processed."""
        owed = [str(reference) for reference in CmsNote.objects.order_by("pk").values_list("reference", flat=True)]
        self.sandbox.use(notes=note_script(owed, chance=self.chance) if self.with_faults else {})
        client = HttpCms(url=f"{self.sandbox.http_url}/cms")
        terms = notes.Terms(client=client, lease=LEASE, settle=SETTLE, today=wiring.today())
        until_none(CmsNote.objects.pending(), "notes added", lambda: notes.post_due(terms), tell=self.tell)

    def answer_requests(self) -> Facts:
        """Requests for quotes have come in, are priced, and their mails have gone out as far as they can; their own ledger."""
        mail = MailTerms(sender=replace(SENDER, max_attempts=1), site_url=SITE_URL, office=OFFICE, admins=(OFFICE_INBOX,))
        desk = QuoteDesk(self.sandbox, mail=mail, delivery=self.delivery, tell=self.tell)
        desk.receive()
        desk.price(ai_script(desk.descriptions, chance=self.chance) if self.with_faults else {})
        desk.send(leg_script(desk.mails_owed(), office=OFFICE_INBOX, chance=self.chance) if self.with_faults else {})
        return desk.ledger()

    def sum_up(self) -> Facts:
        return summarise(self.sandbox, sender=SENDER, site_url=SITE_URL, delivery_terms=self.delivery, tell=self.tell)

    @property
    def writing(self) -> hand_over.Terms:
        """How contacts are written to."""
        return hand_over.Terms(
            sender=SENDER,
            settings=wiring.scheduler_settings()[0],
            links=Links(site_url=SITE_URL, key="of the rehearsal"),
            office=Office(name=OFFICE["name"], phone=OFFICE["office_phone"], address=OFFICE["office_address"], plans_url=PLANS_URL),
            now=timezone.now(),
        )

    @property
    def delivery(self) -> delivery.Terms:
        server = MailServer(name="rehearsal", host=self.sandbox.host, port=self.sandbox.smtp_port)
        return delivery.Terms(servers=[server], policy=SOON, lease=LEASE, spool_dir=self.folder / "spool")
