"""A customer who asks: a form as it is shown, the words and pictures that go into it, and quotes that were priced."""

import re
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.test import Client
from PIL import Image

from messaging.models import Mode
from messaging.outbox import Sender
from portal.quotes.forms import RequestForm, new_key
from portal.quotes.intake import NewRequest
from portal.quotes.models import Quote, Status
from portal.quotes.replies import MailTerms

FORM = "/quote/"
TODAY = date(2026, 3, 2)
SENDER = Sender(address="office@portal.example", mode=Mode.PRODUCTION, test_recipient="test@portal.example", max_attempts=1)
OFFICE = {"name": "The office", "office_name": "The office", "office_phone": "416-555-0100", "office_address": "1 Example Plaza"}
TERMS = MailTerms(sender=SENDER, site_url="https://portal.example", office=OFFICE, admins=("boss@portal.example", "desk@portal.example"))
WORDS = {
    "name": "Ada Byron",
    "email": "ada@byron.example",
    "phone": "416-555-0100",
    "address": "12 Example Street",
    "city": "Toronto, ON",
    "description": "An old sofa and six bags.",
    "preferred_date": "",
    "preferred_time": "",
    "website": "",
}


def words(**changed: Any) -> dict[str, Any]:
    """What a person types, under a new key."""
    return WORDS | {"key": new_key()} | changed


def form(**changed: Any) -> RequestForm:
    """The form as it comes in, without pictures."""
    return RequestForm(words(**changed), {}, today=TODAY)


def picture(name: str = "sofa.jpg", *, size: tuple[int, int] = (60, 40), colour: str = "red", kind: str = "JPEG") -> SimpleUploadedFile:
    to = BytesIO()
    Image.new("RGB", size, colour).save(to, kind)
    return SimpleUploadedFile(name, to.getvalue(), content_type="image/jpeg")


def shown_key(client: Client) -> str:
    """The key of the form as it is shown to this browser."""
    found = re.search(r'name="key" value="([^"]+)"', client.get(FORM).content.decode())
    assert found
    return found[1]


def a_request(key: str = "one", **changed: Any) -> NewRequest:
    typed = {name: WORDS[name] for name in ("name", "email", "phone", "address", "city", "description")}
    return NewRequest(**{"key": key, **typed, **changed})


def a_priced_quote(*, status: str = Status.AI_QUOTED, amount: str = "868.50", **facts: Any) -> Quote:
    """A quote that was offered, at a price that holds for thirty days from TODAY."""
    number = f"GC-20260302-{Quote.objects.count():06}"
    typed = {name: WORDS[name] for name in ("name", "email", "phone", "address", "city", "description")}
    priced = {"quote_amount": Decimal(amount), "valid_until": TODAY + timedelta(days=30), "ai_processed_at": Now()}
    return Quote.objects.create(**{"number": number, "key": number, "status": status, **typed, **priced, **facts})
