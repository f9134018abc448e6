"""A person stops planned mails for good, and says why. What was handed over is stopped as a message instead."""

from typing import Any

from django.db import transaction
from django.db.models import F, Func, JSONField, QuerySet, Value
from django.db.models.functions import Coalesce, Now

from campaigns.models import EmailSchedule, Status
from messaging import journal
from messaging.models import Level

NAMED = 20  # mails that the event names


@transaction.atomic
def stop(schedules: QuerySet[EmailSchedule], *, reason: str, by: Any) -> int:
    """Those of them that are still planned are cancelled, and no run plans them again; how many."""
    planned = EmailSchedule.objects.filter(pk__in=schedules.order_by().values("pk")).select_for_update()
    ids = list(planned.may_become(Status.CANCELLED).values_list("pk", flat=True))
    told = Value({"stopped": {"reason": reason, "by": by.get_username()}}, JSONField())
    noted = Func(Coalesce(F("metadata"), Value({}, JSONField())), told, template="(%(expressions)s)", arg_joiner=" || ")
    noted.output_field = JSONField()
    stopped = EmailSchedule.objects.filter(pk__in=ids).move(Status.CANCELLED, metadata=noted, updated_at=Now())
    if stopped:
        which = ", ".join(map(str, ids[:NAMED])) + (" …" if len(ids) > NAMED else "")
        text = f"{stopped} planned mail{'' if stopped == 1 else 's'} stopped ({which}): {reason}"
        journal.record(Level.INFO, "campaigns", text, by_id=by.pk, detail={"schedules": ids})
    return stopped
