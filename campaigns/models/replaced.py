"""ReplacedSchedule: a row of the schedule as it stood before a run changed or removed it. With them, a run can be undone."""

from django.db import models


class ReplacedSchedule(models.Model):
    """Its columns are those of EmailSchedule, as they were. Kept for some days, never changed; gone once the row is put back.

    A run that only adds rows, as the first one, leaves none here: what it added bears its number.
    """

    pk = models.CompositePrimaryKey("replaced_in", "chunk", "id")
    replaced_in = models.BigIntegerField(help_text="The run.")
    chunk = models.PositiveIntegerField(help_text="Its number within the run.")
    id = models.BigIntegerField()

    contact_id = models.BigIntegerField()
    email_type = models.CharField(max_length=60)
    send_on = models.DateField()
    send_time = models.TimeField()
    status = models.CharField(max_length=13)
    skip_reason = models.CharField(max_length=24, blank=True)
    priority = models.SmallIntegerField()
    event_on = models.DateField(null=True)
    moved_from = models.DateField(null=True)
    window_end = models.DateField(null=True)
    catch_up = models.BooleanField()
    over_cap = models.BooleanField()
    metadata = models.JSONField(null=True)
    campaign_instance_id = models.BigIntegerField(null=True)
    parent_id = models.BigIntegerField(null=True)
    email_template = models.CharField(max_length=80, blank=True)
    sms_template = models.CharField(max_length=80, blank=True)
    message_id = models.BigIntegerField(null=True)
    run_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "replaced planned mail"

    def __str__(self) -> str:
        return f"{self.email_type} to contact {self.contact_id} on {self.send_on}, before run {self.replaced_in}"
