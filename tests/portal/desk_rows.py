"""Rows as the desk meets them, and people who may and may not."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client

from messaging import outbox
from messaging.models import Attempt, Case, CmsNote, EmailTemplate, Message, Mode, Status, TemplateVersion

SENDER = outbox.Sender(address="office@portal.example", mode=Mode.PRODUCTION, test_recipient="test@portal.example")


def a_case(number: int = 1, **facts: Any) -> Case:
    plain = {"patient_name": "Ada Byron", "firm": "Byron & Co", "attorney_email": "ada@byron.example"}
    return Case.objects.create(**{"pid": f"4{number:05}", "pv": f"9{number:05}"} | plain | facts)


def a_message(case: Case, status: str = Status.QUEUED, *, number: int = 1, **facts: Any) -> Message:
    """A message of that case in that state, brought there by legal moves."""
    draft = outbox.Draft(
        key=f"follow_up:{number}:{case.pk}",
        kind="follow_up",
        recipient=case.attorney_email,
        subject="How does the case stand?",
        text="Dear Ada",
        html="<p>Dear <b>Ada</b></p>",
        case=case,
        needs_note=True,
    )
    (message,) = outbox.queue([draft], sender=SENDER)
    bring(message, status)
    Message.objects.filter(pk=message.pk).update(**facts)
    return Message.objects.get(pk=message.pk)


@transaction.atomic
def bring(message: Message, status: str) -> None:
    row = Message.objects.filter(pk=message.pk)
    ours = {"lease": None, "leased_until": None}
    if status in (Status.HELD, Status.CANCELLED):
        row.move(status, reason="because")
    elif status != Status.QUEUED:
        lease = uuid.uuid4()
        row.move(Status.CLAIMED, lease=lease, leased_until=Now() + timedelta(minutes=9), tries=1, attempts=1)
        if status != Status.FAILED:
            row.move(Status.TRANSMITTING, transmitting_since=Now())
        Attempt.objects.create(
            message=message, number=1, round=1, token=lease, phase="rejected", reply_code=550, reply="no", ended_at=Now()
        )
        facts: dict[str, Any] = {Status.SENT: {"sent_at": Now()}, Status.IN_DOUBT: {"doubt_since": Now()}}.get(Status(status), {})
        row.move(status, **ours, **facts)
    if status == Status.SENT:
        CmsNote.objects.create(message=message)


def a_template(subject: str = "About {{ patient_name }}", text: str = "PV {{ pv }}", html: str = "") -> TemplateVersion:
    template = EmailTemplate.objects.create(name="status-request", title="Status request", kind="status_request")
    return TemplateVersion.objects.create(template=template, number=1, subject=subject, text=text, html=html)


def staff(*permissions: str, name: str = "clerk", email: str = "clerk@portal.example") -> Client:
    """Somebody who may do exactly this, logged in."""
    user = User.objects.create_user(name, email, is_staff=True)
    for permission in permissions:
        label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    client = Client()
    client.force_login(user)
    return client


def superuser() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", "boss@portal.example"))
    return client


def said(response: Any) -> str:
    """What the page tells after an act."""
    return " ".join(str(message) for message in response.context["messages"])
