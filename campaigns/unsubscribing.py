"""Who does not want our mails gets none: from the moment it is said, also none that is queued already."""

from django.db import transaction

from campaigns.models import EmailSchedule
from messaging import journal
from messaging.faults import fault
from messaging.models import Level, Suppression

REASON = "Unsubscribed by a link in a mail"


def unsubscribe(schedule_id: int) -> int:
    """The addresses of this mail's contact, the one it went to and the one known now, are suppressed for good; returns how many were new.

    Delivery asks for suppressions when it claims a mail and again just before its body, so queued mails are stopped too. A mail that is
    gone, as of an erased contact, has no address to stop: nothing is left to do.
    """
    schedule = EmailSchedule.objects.filter(pk=schedule_id).select_related("contact", "message").first()
    if schedule is None:
        return 0
    known = {schedule.contact.email.lower()} | ({schedule.message.intended_for.lower()} if schedule.message else set())
    with transaction.atomic():
        new = [suppress(address) for address in sorted(known)]
        if any(new):
            text = "A contact unsubscribed by a link in a mail."
            journal.record(Level.INFO, "campaigns", text, detail={"contact_id": schedule.contact_id, "schedule_id": schedule_id})
        fault("unsubscribe.before_commit")
    return sum(new)


def suppress(address: str) -> bool:
    """The address is suppressed without an end; False if it was before."""
    row, is_new = Suppression.objects.get_or_create(address=address, defaults={"reason": REASON})
    if row.suppressed_until is None:
        return is_new
    Suppression.objects.filter(pk=row.pk).update(suppressed_until=None, reason=REASON)
    return True
