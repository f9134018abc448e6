"""The quotes of the day: requests come in, an AI says over HTTP what is there, the price book prices it, and the mails go out."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from messaging import delivery
from messaging.models import Message, Provider
from portal import wiring
from portal.config import kinds
from portal.quotes import intake, pricing, retries
from portal.quotes.gateways.ai import AiService
from portal.quotes.intake import NewRequest
from portal.quotes.invariants import of_quotes
from portal.quotes.legs import LEGS
from portal.quotes.models import Quote, Status
from portal.quotes.pictures import made_anew
from portal.quotes.replies import MailTerms
from portal.rehearsal.faults import Look, Script, foretold_leg, foretold_look
from portal.rehearsal.patience import Tell, until_none
from portal.rehearsal.quote_ledger import Asked, Facts, quote_ledger
from portal.sample_data.quotes import draw
from portal.sandbox import Sandbox

REQUESTS = 20
PICTURED = 4  # every so many-th request has a picture
PEOPLE = ("Ada Maple", "Ben Birch", "Chloé Aspen", "Dan Cedar", "Eve Larch")
PLACES = (("Toronto", "ON M4B 1B3"), ("Vancouver", "BC V6J 4L4"), ("Calgary", "AB T2P 1J9"), ("Montréal", "QC H2K 3T1"))
THINGS = ("garden waste, branches and leaves", "household garbage", "cardboard and paper", "drywall and plaster from a renovation")
LOCK = timedelta(minutes=30)
BUDGET = Decimal(1_000)  # USD: the sandbox asks for no money
ATTEMPTS = 3  # as many as the schedule lets a mail have
UNTROUBLED = Look(is_priced=True, questions=1)


@dataclass
class QuoteDesk:
    """`asked`: each request by its quote's id, and how it must end. `mail` is in production: the sandbox is nobody's mailbox."""

    sandbox: Sandbox
    mail: MailTerms
    delivery: delivery.Terms
    tell: Tell
    asked: dict[int, Asked] = field(default_factory=dict)

    @property
    def descriptions(self) -> list[str]:
        return [one.request.description for one in self.asked.values()]

    @property
    def quotes(self) -> QuerySet[Quote]:
        """Ours, whatever other quotes the sample data have brought."""
        return Quote.objects.filter(pk__in=self.asked).order_by("pk")

    @property
    def waiting(self) -> QuerySet[Quote]:
        """Those that nobody has looked at yet, and those that the AI could not be asked about."""
        return self.quotes.filter(Q(status__in=[Status.PENDING, Status.AI_PROCESSING]) | Q(ai_retry_at__isnull=False))

    def receive(self) -> None:
        """Every request is a quote, also those that were sent twice, and the office has been told of it."""
        self.sandbox.use(mail={})
        for number in range(1, REQUESTS + 1):
            request = made_up(number)
            first, second = (intake.receive(request, terms=self.mail) for _ in "12")
            self.asked[first.pk] = self.asked[second.pk] = Asked(request=request, number=first.number, look=UNTROUBLED)
        until_none(Message.objects.unfinished(), "requests told to the office", self._send_due, tell=self.tell)

    def price(self, script: Script) -> None:
        """Each quote is priced, or waits for a person. Where the AI was away, the time to ask it again has come."""
        self.sandbox.use(ai=script)
        for one in self.asked.values():
            one.look = foretold_look(one.request.description, script)
        until_none(self.waiting, "quotes looked at", self._price_each, tell=self.tell)

    def mails_owed(self) -> list[tuple[str, str]]:
        """Message-ID and recipient of both mails of every quote that is priced."""
        return [(message.message_id, message.recipient) for _, _, message in self._mails()]

    def send(self, script: Script) -> None:
        """Every mail has gone out or been refused; those refused have had one more round."""
        self.sandbox.use(mail=script)
        for quote_id, leg, message in self._mails():
            self.asked[quote_id].legs[leg] = foretold_leg(script, recipient=message.recipient, message_id=message.message_id)
        until_none(Message.objects.unfinished(), "mails of quotes sent", self._send_due, tell=self.tell)
        terms = retries.Terms(mail=self.mail, delivery=self.delivery, pause_seconds=0)
        for quote_id in self.asked:
            retries.retry(terms, leg_type="both", limit=2, max_attempts=ATTEMPTS, quote_id=quote_id)

    def ledger(self) -> Facts:
        return quote_ledger(self.sandbox, asked=self.asked, office=self.mail.admins[0], promises=of_quotes(lock=LOCK))

    def _price_each(self) -> None:
        now = timezone.now()
        service = AiService(url=f"{self.sandbox.http_url}/ai/v1", model="sandbox", price_per_million_in=Decimal(1))
        terms = pricing.Terms(
            assessor=service,
            book=lambda: kinds.read_version("price_book", at=now),
            mail=self.mail,
            lock=LOCK,
            today=wiring.today(),
            day_start=wiring.day_start(),
            daily_budget=BUDGET,
            quote_budget=BUDGET,
        )
        for quote_id in list(self.waiting.values_list("pk", flat=True)):
            pricing.process(terms, limit=1, quote_id=quote_id)
        self._let_the_pause_pass()

    def _let_the_pause_pass(self) -> None:
        """Nobody wants to wait minutes at a rehearsal: what was to be tried later is due now."""
        Provider.objects.filter(name=pricing.AI, paused_until__isnull=False).update(paused_until=Now())
        self.quotes.filter(ai_retry_at__isnull=False).update(ai_retry_at=Now())

    def _mails(self) -> list[tuple[int, str, Message]]:
        """Both mails of each quote that has them, with its id and whose mail it is."""
        quotes = self.quotes.select_related("customer_message", "admin_message")
        return [(quote.pk, leg, mail) for quote in quotes for leg in LEGS if (mail := getattr(quote, f"{leg}_message"))]

    def _send_due(self) -> None:
        delivery.send_due(self.delivery)


def made_up(number: int) -> NewRequest:
    """A request of an invented person; no two have the same words."""
    person, (city, code) = PEOPLE[number % len(PEOPLE)], PLACES[number % len(PLACES)]
    pictures = [made_anew(draw("bags", seed=f"rehearsal:{number}"), name="bags.png")] if number % PICTURED == 0 else []
    return NewRequest(
        key=f"rehearsal:{number}",
        name=person,
        email=f"person{number}@client.example",
        phone=f"416-555-01{number:02}",
        address=f"{number} Rehearsal Street, {city}, {code}",
        city=city,
        description=f"{number + 2} bags of {THINGS[number % len(THINGS)]}",
        images=tuple(pictures),
    )
