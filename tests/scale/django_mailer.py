"""django-mailer: without its file lock several processes share the queue by row locks. Runs inside a worker process."""

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp  # noqa: F401  so that loading it is not timed
from django.core.mail.utils import DNS_NAME
from mailer.engine import send_all
from mailer.models import Message

from tests.scale.mails import SENDER, Mail

DNS_NAME.get_fqdn()  # nor asking for our own name


def queue(mails: list[Mail]) -> None:
    Message.objects.bulk_create(message(mail) for mail in mails)


def message(mail: Mail) -> Message:
    queued = Message()
    queued.email = EmailMessage(mail.subject, mail.text, SENDER, [mail.recipient])
    return queued


def send(workers: int) -> None:
    send_all()
