"""django-post-office, as its documentation runs it: one command that forks its workers. Runs inside a worker process."""

import os

from django.core.mail.backends import smtp  # noqa: F401  so that loading it is not timed
from django.core.mail.utils import DNS_NAME
from post_office import mail as post_office

from tests.scale.mails import SENDER, Mail

DNS_NAME.get_fqdn()  # nor asking for our own name


def queue(mails: list[Mail]) -> None:
    post_office.send_many([{"recipients": m.recipient, "sender": SENDER, "subject": m.subject, "message": m.text} for m in mails])


def send(workers: int) -> None:
    post_office.send_queued_mail_until_done(os.environ["SCALE_LOCK_FILE"], processes=workers)
