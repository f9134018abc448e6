"""LogRow, SessionRow: a line of the log as older programs know it, whoever sent the message. Views; only ever read (seed_tables.py)."""

from django.db import models


class LogRow(models.Model):
    id = models.TextField(primary_key=True)
    timestamp = models.DateTimeField()
    user_id = models.TextField()
    session_id = models.TextField()
    channel = models.TextField()
    template_id = models.TextField()
    template_name = models.TextField()
    recipient_email = models.TextField()
    recipient_name = models.TextField()
    recipient_phone = models.TextField()
    recipient_company = models.TextField()
    message_status = models.TextField()
    message_id = models.TextField()
    delivery_status = models.TextField()
    error_message = models.TextField()
    sent_at = models.DateTimeField()
    delivered_at = models.DateTimeField()
    read_at = models.DateTimeField()
    content_preview = models.TextField()
    metadata = models.JSONField()

    class Meta:
        managed = False
        db_table = "message_logs"
        default_permissions = ()

    def __str__(self) -> str:
        return self.id


class SessionRow(models.Model):
    session_id = models.TextField(primary_key=True)
    user_id = models.TextField()
    start_time = models.DateTimeField()
    end_time = models.DateTimeField()
    channel = models.TextField()
    template_used = models.TextField()
    total_messages = models.IntegerField()
    successful_messages = models.IntegerField()
    failed_messages = models.IntegerField()
    pending_messages = models.IntegerField()
    cancelled_messages = models.IntegerField()
    success_rate = models.FloatField()
    session_metadata = models.JSONField()

    class Meta:
        managed = False
        db_table = "session_summaries"
        default_permissions = ()

    def __str__(self) -> str:
        return self.session_id
