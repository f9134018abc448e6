import uuid

import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from messaging import promises


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LogRow",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("timestamp", models.DateTimeField()),
                ("user_id", models.TextField()),
                ("session_id", models.TextField()),
                ("channel", models.TextField()),
                ("template_id", models.TextField()),
                ("template_name", models.TextField()),
                ("recipient_email", models.TextField()),
                ("recipient_name", models.TextField()),
                ("recipient_phone", models.TextField()),
                ("recipient_company", models.TextField()),
                ("message_status", models.TextField()),
                ("message_id", models.TextField()),
                ("delivery_status", models.TextField()),
                ("error_message", models.TextField()),
                ("sent_at", models.DateTimeField()),
                ("delivered_at", models.DateTimeField()),
                ("read_at", models.DateTimeField()),
                ("content_preview", models.TextField()),
                ("metadata", models.JSONField()),
            ],
            options={
                "db_table": "message_logs",
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SessionRow",
            fields=[
                ("session_id", models.TextField(primary_key=True, serialize=False)),
                ("user_id", models.TextField()),
                ("start_time", models.DateTimeField()),
                ("end_time", models.DateTimeField()),
                ("channel", models.TextField()),
                ("template_used", models.TextField()),
                ("total_messages", models.IntegerField()),
                ("successful_messages", models.IntegerField()),
                ("failed_messages", models.IntegerField()),
                ("pending_messages", models.IntegerField()),
                ("cancelled_messages", models.IntegerField()),
                ("success_rate", models.FloatField()),
                ("session_metadata", models.JSONField()),
            ],
            options={
                "db_table": "session_summaries",
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="EmailTemplate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.SlugField(help_text="How commands and campaigns name it, e.g. status-request.", max_length=80, unique=True),
                ),
                ("title", models.CharField(help_text="How staff name it.", max_length=200)),
                (
                    "kind",
                    models.SlugField(
                        default="bulk_status_request", help_text="The e-mail type its note in the CMS is written for.", max_length=60
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="in use")),
            ],
            options={
                "ordering": ["title", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="What it counts: whose messages, of how many days.", max_length=200, unique=True)),
                ("period_from", models.DateTimeField()),
                ("period_until", models.DateTimeField()),
                ("figures", models.JSONField()),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-made_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="SpoolFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, unique=True)),
                ("host", models.CharField(max_length=200)),
                ("lines", models.PositiveIntegerField()),
                (
                    "sealed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When it was first taken; nothing is written into it any more.",
                    ),
                ),
                (
                    "replayed_at",
                    models.DateTimeField(help_text="Every line has reached the database, or is known to be unusable.", null=True),
                ),
            ],
            options={
                "ordering": ["-sealed_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="BackupHistory",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("path", models.CharField(max_length=500, unique=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("started", "Started"),
                            ("verified", "Verified"),
                            ("failed", "Failed"),
                            ("removed", "Removed: newer ones are kept"),
                        ],
                        default="started",
                        max_length=10,
                    ),
                ),
                ("rows", models.JSONField(default=dict, help_text="How many rows of each table it was made of.")),
                (
                    "purpose",
                    models.CharField(blank=True, help_text="What it was made for: the night, a campaign run, a person.", max_length=100),
                ),
                ("size_bytes", models.BigIntegerField(null=True)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("seconds", models.FloatField(null=True)),
                ("error", models.TextField(blank=True)),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("verified_at", models.DateTimeField(null=True)),
                (
                    "restore_tested_at",
                    models.DateTimeField(help_text="When it was last restored into a scratch database and compared.", null=True),
                ),
            ],
            options={
                "verbose_name_plural": "backups",
                "ordering": ["-started_at", "-pk"],
                "indexes": [models.Index(fields=["-started_at", "-id"], name="backup_newest_first")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "verified"), _negated=True),
                            models.Q(
                                ("seconds__isnull", False),
                                ("size_bytes__gt", 0),
                                ("verified_at__isnull", False),
                                models.Q(("sha256", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="backup_is_verified_with_its_proof",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Case",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "pid",
                    models.CharField(
                        blank=True,
                        help_text="Digits only.",
                        max_length=20,
                        validators=[django.core.validators.RegexValidator("^[0-9]+$", "Only the digits 0-9.")],
                        verbose_name="PID (number in the CMS)",
                    ),
                ),
                (
                    "pv",
                    models.CharField(
                        help_text="Digits only.",
                        max_length=20,
                        unique=True,
                        validators=[django.core.validators.RegexValidator("^[0-9]+$", "Only the digits 0-9.")],
                        verbose_name="PV (practice's file number)",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("settled", "Settled"),
                            ("litigation", "Litigation"),
                            ("inactive", "Inactive"),
                            ("closed", "Closed"),
                        ],
                        default="active",
                        max_length=12,
                    ),
                ),
                ("status_note", models.CharField(blank=True, max_length=200, verbose_name="status in the file's own words")),
                ("patient_name", models.CharField(max_length=200)),
                ("injured_on", models.DateField(blank=True, help_text="Empty means unknown.", null=True, verbose_name="date of injury")),
                ("firm", models.CharField(max_length=200, verbose_name="law firm")),
                ("attorney_name", models.CharField(blank=True, max_length=200)),
                ("attorney_email", models.EmailField(blank=True, max_length=254)),
                ("attorney_phone", models.CharField(blank=True, max_length=40)),
                ("balance", models.DecimalField(blank=True, decimal_places=2, help_text="US dollars.", max_digits=12, null=True)),
                (
                    "last_sent_on",
                    models.DateField(
                        blank=True, help_text="To the attorney, production mail only.", null=True, verbose_name="last mail sent"
                    ),
                ),
                ("last_reply_on", models.DateField(blank=True, null=True, verbose_name="last reply received")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["firm", "patient_name", "pk"],
                "permissions": [("import_case", "Can import cases from a file")],
                "indexes": [
                    models.Index(fields=["firm", "patient_name", "id"], name="case_by_firm"),
                    models.Index(fields=["status", "id"], name="case_by_status"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pid__regex", "^[0-9]*$")), name="case_pid_is_digits"),
                    models.CheckConstraint(condition=models.Q(("pv__regex", "^[0-9]+$")), name="case_pv_is_digits"),
                    models.CheckConstraint(condition=models.Q(("pid", models.F("pv")), _negated=True), name="case_pid_is_not_its_pv"),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["active", "settled", "litigation", "inactive", "closed"])),
                        name="case_status_known",
                    ),
                    models.UniqueConstraint(condition=models.Q(("pid", ""), _negated=True), fields=("pid",), name="one_case_per_pid"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Acknowledgment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.CharField(max_length=100)),
                ("notes", models.TextField(blank=True, max_length=2000)),
                (
                    "review_on",
                    models.DateField(blank=True, help_text="Empty: until somebody wakes it.", null=True, verbose_name="sleeps until"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="acknowledgments", to="messaging.case"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="HookTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=40)),
                ("outcome", models.CharField(max_length=20)),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("last_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["provider", "outcome"],
                "constraints": [models.UniqueConstraint(fields=("provider", "outcome"), name="one_tally_per_provider_and_outcome")],
            },
        ),
        migrations.CreateModel(
            name="LoggedMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("log_id", models.CharField(max_length=200, unique=True)),
                ("user_id", models.CharField(max_length=100)),
                ("session_id", models.CharField(max_length=200)),
                ("channel", models.CharField(choices=[("email", "Email"), ("whatsapp", "Whatsapp")], max_length=20)),
                ("template_id", models.CharField(blank=True, max_length=100)),
                ("template_name", models.CharField(blank=True, max_length=200)),
                ("recipient_email", models.CharField(blank=True, max_length=254)),
                ("recipient_name", models.CharField(blank=True, max_length=200)),
                ("recipient_phone", models.CharField(blank=True, max_length=50)),
                ("recipient_company", models.CharField(blank=True, max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("delivered", "Delivered"),
                            ("read", "Read"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=12,
                    ),
                ),
                ("provider_id", models.CharField(blank=True, max_length=200, verbose_name="message id at the provider")),
                ("error", models.TextField(blank=True)),
                ("preview", models.CharField(blank=True, help_text="The first 100 characters.", max_length=100)),
                ("detail", models.JSONField(default=dict)),
                ("logged_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("is_stub", models.BooleanField(default=False, help_text="A word of its status came before the message itself.")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["-logged_at", "-pk"],
                "indexes": [
                    models.Index(fields=["-logged_at", "-id"], name="logged_newest_first"),
                    models.Index(fields=["user_id", "-logged_at"], name="logged_by_user"),
                    models.Index(fields=["session_id"], name="logged_by_session"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "sending", "sent", "delivered", "read", "failed", "cancelled"])),
                        name="logged_status_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LoggedSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("session_id", models.CharField(max_length=200, unique=True)),
                ("user_id", models.CharField(max_length=100)),
                ("channel", models.CharField(choices=[("email", "Email"), ("whatsapp", "Whatsapp")], max_length=20)),
                ("template", models.CharField(blank=True, max_length=200)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("detail", models.JSONField(default=dict)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["-started_at", "-pk"],
                "indexes": [models.Index(fields=["user_id", "started_at"], name="logged_session_of_user")],
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lease", models.UUIDField(editable=False, help_text="Who holds this row: a token, new with every claim.", null=True)),
                ("leased_until", models.DateTimeField(editable=False, help_text="When the hold ends by itself.", null=True)),
                ("key", models.CharField(help_text="The event this mail is about; the same key is the same mail.", max_length=200)),
                ("kind", models.CharField(max_length=60, verbose_name="e-mail type")),
                ("lane", models.SmallIntegerField(choices=[(0, "A person's mail"), (5, "The portal's own"), (9, "Bulk")], default=9)),
                (
                    "is_test",
                    models.BooleanField(help_text="Fixed when it was queued: it went to the test recipient.", verbose_name="test mail"),
                ),
                ("needs_note", models.BooleanField(help_text="Fixed when it was queued.", verbose_name="owes a CMS note")),
                ("sender", models.CharField(max_length=320, verbose_name="from")),
                ("recipient", models.CharField(max_length=254, verbose_name="to")),
                (
                    "intended_for",
                    models.CharField(
                        help_text="The customer's address, also when a test went elsewhere.", max_length=254, verbose_name="intended for"
                    ),
                ),
                ("subject", models.CharField(max_length=400)),
                ("text", models.TextField()),
                ("html", models.TextField(blank=True)),
                ("headers", models.JSONField(blank=True, default=dict)),
                ("message_id", models.CharField(help_text="The same on every try.", max_length=200, verbose_name="Message-ID")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("claimed", "Claimed"),
                            ("transmitting", "Transmitting"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("in_doubt", "In doubt"),
                            ("held", "Held"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=12,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="Not before this time: as asked when queued, then as the back-off says.",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, help_text="After this time it is cancelled instead of sent.", null=True)),
                ("round", models.SmallIntegerField(default=1, help_text="A person's 'try again now' opens a new one.")),
                ("attempts", models.SmallIntegerField(default=0, help_text="Tries of this round that the server answered, or may have.")),
                ("max_attempts", models.SmallIntegerField(default=3, help_text="Within a round.")),
                ("tries", models.SmallIntegerField(default=0, help_text="All tries of all rounds: the number of the last attempt.")),
                ("claims", models.SmallIntegerField(default=0, help_text="Times a worker took it since the last outcome.")),
                ("transmitting_since", models.DateTimeField(blank=True, help_text="When its body last went out.", null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("doubt_since", models.DateTimeField(blank=True, null=True)),
                ("reason", models.CharField(blank=True, help_text="Why it is held or cancelled.", max_length=200)),
                ("error", models.TextField(blank=True, help_text="What went wrong last, in plain words.")),
                ("reply_code", models.SmallIntegerField(blank=True, null=True)),
                ("provider", models.CharField(blank=True, max_length=40)),
                ("remote_id", models.CharField(blank=True, max_length=200, verbose_name="queue id at the provider")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("bounced_at", models.DateTimeField(blank=True, null=True)),
                ("complained_at", models.DateTimeField(blank=True, null=True)),
                (
                    "case",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="messaging.case",
                    ),
                ),
                (
                    "queued_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [("decide_message", "Can settle doubts, try again, give up"), ("send_message", "Can queue mail")],
            },
        ),
        migrations.CreateModel(
            name="CmsNote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lease", models.UUIDField(editable=False, help_text="Who holds this row: a token, new with every claim.", null=True)),
                ("leased_until", models.DateTimeField(editable=False, help_text="When the hold ends by itself.", null=True)),
                (
                    "reference",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        help_text="Our name for this note in the CMS, the same on every try.",
                        unique=True,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("posting", "Posting"),
                            ("unknown", "Unknown: ask the CMS"),
                            ("processed", "Processed"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(db_default=0, default=0)),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), help_text="The next try, not before this time."
                    ),
                ),
                (
                    "unclear_since",
                    models.DateTimeField(
                        blank=True, help_text="When a call's answer was lost; the CMS is asked a settle time later.", null=True
                    ),
                ),
                (
                    "attention",
                    models.CharField(blank=True, db_default="", help_text="What a person has to put right first.", max_length=300),
                ),
                ("error", models.TextField(blank=True, db_default="", help_text="What went wrong last, in plain words.")),
                ("remote_id", models.CharField(blank=True, max_length=100, null=True, unique=True, verbose_name="note id in the CMS")),
                ("processed_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("message", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="note", to="messaging.message")),
            ],
            options={
                "verbose_name": "CMS note",
                "ordering": ["-pk"],
                "permissions": [("post_cmsnote", "Can add notes to the CMS now"), ("confirm_cmsnote", "Can confirm notes by hand")],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.SmallIntegerField()),
                ("round", models.SmallIntegerField()),
                ("token", models.UUIDField(help_text="The lease under which it was made.")),
                (
                    "phase",
                    models.CharField(
                        choices=[
                            ("accepted", "Accepted by the server"),
                            ("rejected", "Refused by the server"),
                            ("lost_pre", "Broken off before the body: nothing left"),
                            ("lost_post", "Broken off after the body: it may have arrived"),
                        ],
                        max_length=12,
                    ),
                ),
                ("provider", models.CharField(blank=True, max_length=40)),
                ("reply_code", models.SmallIntegerField(null=True)),
                ("reply", models.TextField(blank=True, help_text="The server's own words.")),
                ("error", models.TextField(blank=True, help_text="What went wrong, in plain words.")),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "message",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="history", to="messaging.message"
                    ),
                ),
            ],
            options={
                "ordering": ["message", "number"],
            },
        ),
        migrations.CreateModel(
            name="MessageSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("channel", models.CharField(default="email", max_length=20)),
                ("mode", models.CharField(choices=[("test", "Test"), ("production", "Production")], max_length=10)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "skipped",
                    models.JSONField(blank=True, default=list, help_text="What was asked for and not queued, each with its reason."),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-started_at", "-pk"],
            },
        ),
        migrations.AddField(
            model_name="message",
            name="session",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="messages",
                to="messaging.messagesession",
            ),
        ),
        migrations.CreateModel(
            name="NoteAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                (
                    "act",
                    models.CharField(choices=[("look_up", "Look it up"), ("add", "Add it"), ("confirm", "Confirm by hand")], max_length=10),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("open", "On its way"),
                            ("created", "Added by the CMS"),
                            ("exists", "Already in the CMS"),
                            ("absent", "Not in the CMS"),
                            ("confirmed", "Confirmed by a person"),
                            ("rejected", "Refused by the CMS"),
                            ("lost_pre", "Not added: nothing arrived"),
                            ("lost_post", "Answer lost: it may have been added"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("token", models.UUIDField(null=True)),
                ("pid", models.CharField(blank=True, max_length=20, verbose_name="PID")),
                ("type_code", models.CharField(blank=True, max_length=10)),
                ("text", models.TextField(blank=True)),
                ("next_contact_on", models.DateField(null=True)),
                ("http_status", models.PositiveSmallIntegerField(null=True)),
                ("detail", models.TextField(blank=True, help_text="What the CMS said, or why nothing came back; at most 2 KB.")),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "note",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="history", to="messaging.cmsnote"
                    ),
                ),
            ],
            options={
                "ordering": ["note", "number"],
            },
        ),
        migrations.CreateModel(
            name="Provider",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40, unique=True)),
                ("purpose", models.CharField(choices=[("mail", "Mail"), ("cms", "CMS"), ("ai", "AI")], max_length=10)),
                ("paused_until", models.DateTimeField(blank=True, null=True)),
                ("reason", models.TextField(blank=True, help_text="Why it is paused.")),
                ("failures_in_row", models.PositiveIntegerField(default=0)),
                ("sender_refusals_in_row", models.PositiveIntegerField(default=0, help_text="5xx answers to our own sender address.")),
                ("next_turn_at", models.DateTimeField(blank=True, help_text="When the rate limit lets the next mail go.", null=True)),
                ("last_ok_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["purpose", "name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("paused_until", None), models.Q(("reason", ""), _negated=True), _connector="OR"),
                        name="provider_paused_for_a_reason",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.EmailField(help_text="Lower case.", max_length=254, unique=True)),
                ("reason", models.CharField(max_length=200)),
                ("suppressed_until", models.DateTimeField(blank=True, help_text="Empty: for good.", null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="SystemEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "event_id",
                    models.UUIDField(default=uuid.uuid4, editable=False, help_text="The same event twice is one row.", unique=True),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[("info", "Info"), ("warning", "Warning"), ("error", "Error"), ("alarm", "Alarm: somebody must look now")],
                        max_length=10,
                    ),
                ),
                ("component", models.CharField(help_text="delivery, notes, cluster, import, …", max_length=40)),
                ("text", models.TextField()),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="events", to="messaging.message"
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="TemplateVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("subject", models.CharField(max_length=200)),
                ("text", models.TextField(max_length=100000, verbose_name="plain text")),
                ("html", models.TextField(blank=True, help_text="Optional.", max_length=500000, verbose_name="HTML")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="messaging.emailtemplate"),
                ),
            ],
            options={
                "ordering": ["template", "-number"],
            },
        ),
        migrations.AddField(
            model_name="messagesession",
            name="template_version",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="sessions", to="messaging.templateversion"
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="template_version",
            field=models.ForeignKey(
                blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to="messaging.templateversion"
            ),
        ),
        migrations.CreateModel(
            name="ErrorGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fingerprint", models.CharField(max_length=16, unique=True)),
                ("component", models.CharField(max_length=40)),
                (
                    "shape",
                    models.CharField(help_text="The text without what differs between occurrences.", max_length=300, verbose_name="error"),
                ),
                ("sample", models.TextField(help_text="The latest one in full.")),
                ("count", models.PositiveIntegerField(default=1)),
                ("first_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("last_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "resolved_at",
                    models.DateTimeField(blank=True, help_text="Seen to; it opens again when the error comes back.", null=True),
                ),
                (
                    "message",
                    models.ForeignKey(
                        blank=True,
                        help_text="The latest one.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="messaging.message",
                    ),
                ),
            ],
            options={
                "ordering": ["-last_at", "-pk"],
                "indexes": [models.Index(fields=["-last_at", "-id"], name="error_group_newest_first")],
            },
        ),
        migrations.CreateModel(
            name="DeliveryEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=40)),
                ("event_id", models.CharField(max_length=200)),
                (
                    "told",
                    models.CharField(
                        choices=[
                            ("delivered", "Delivered"),
                            ("read", "Read"),
                            ("bounced", "Bounced for good"),
                            ("deferred", "Bounced for now"),
                            ("complained", "Complained of as spam"),
                            ("unsubscribed", "Unsubscribed"),
                            ("other", "Something else"),
                            ("unparsed", "Not understood"),
                        ],
                        max_length=12,
                    ),
                ),
                ("recipient", models.CharField(blank=True, max_length=254)),
                ("at", models.DateTimeField(help_text="When it happened, as the provider says.")),
                ("detail", models.TextField(blank=True, help_text="Why, in the words of the server.")),
                ("raw", models.JSONField(default=dict, help_text="As it came.")),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "message",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="delivery_events",
                        to="messaging.message",
                    ),
                ),
            ],
            options={
                "ordering": ["-received_at", "-pk"],
                "indexes": [
                    models.Index(fields=["-received_at", "-id"], name="delivery_event_newest_first"),
                    models.Index(condition=models.Q(("message__isnull", False)), fields=["message"], name="delivery_event_of_message"),
                    models.Index(fields=["recipient", "-at"], name="delivery_event_of_address"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "event_id"), name="one_delivery_event_per_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("told__in", ["delivered", "read", "bounced", "deferred", "complained", "unsubscribed", "other", "unparsed"])
                        ),
                        name="delivery_event_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("mark_as_sent", "Mark as sent"),
                            ("send_again", "Send again"),
                            ("give_up", "Give up"),
                            ("try_again_now", "Try again now"),
                            ("put_back", "Put back in the queue"),
                            ("hold", "Hold"),
                        ],
                        max_length=15,
                    ),
                ),
                ("from_status", models.CharField(max_length=12)),
                ("round", models.PositiveSmallIntegerField(help_text="The round it ended.")),
                ("reason", models.CharField(max_length=500)),
                ("source", models.CharField(default="person", help_text="person, or the evidence or command that decided.", max_length=40)),
                ("decided_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "decided_by",
                    models.ForeignKey(
                        help_text="Empty: decided by evidence or a command.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to="messaging.message"),
                ),
            ],
            options={
                "ordering": ["message", "pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("verdict__in", ["mark_as_sent", "send_again", "give_up", "try_again_now", "put_back", "hold"])),
                        name="decision_verdict_known",
                    ),
                    models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="decision_says_why"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by__isnull", False), models.Q(("source__in", ["", "person"]), _negated=True), _connector="OR"
                        ),
                        name="decision_says_who",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="cmsnote",
            index=models.Index(condition=models.Q(("status", "processed"), _negated=True), fields=["due_at", "id"], name="note_open"),
        ),
        migrations.AddIndex(
            model_name="cmsnote",
            index=models.Index(condition=models.Q(("status", "processed")), fields=["-processed_at", "-id"], name="note_processed"),
        ),
        migrations.AddConstraint(
            model_name="cmsnote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("processed_at__isnull", False), ("remote_id__isnull", False), ("status", "processed")),
                    models.Q(models.Q(("status", "processed"), _negated=True), ("processed_at", None), ("remote_id", None)),
                    _connector="OR",
                ),
                name="note_processed_with_the_cms_id",
            ),
        ),
        migrations.AddConstraint(
            model_name="cmsnote",
            constraint=models.CheckConstraint(condition=models.Q(("remote_id", ""), _negated=True), name="note_id_is_not_empty"),
        ),
        migrations.AddConstraint(
            model_name="cmsnote",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("status", "posting"), _negated=True), ("lease__isnull", False), _connector="OR"),
                name="note_leased_while_posting",
            ),
        ),
        migrations.AddConstraint(
            model_name="cmsnote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lease", None), ("leased_until", None)),
                    models.Q(("lease__isnull", False), ("leased_until__isnull", False)),
                    _connector="OR",
                ),
                name="note_lease_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="cmsnote",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("status", "unknown"), _negated=True), ("unclear_since__isnull", False), _connector="OR"),
                name="note_unknown_since",
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("message", "number"), name="one_attempt_per_number"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("phase__in", ["accepted", "rejected", "lost_pre", "lost_post"])), name="attempt_phase_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="noteattempt",
            constraint=models.UniqueConstraint(fields=("note", "number"), name="one_note_attempt_per_number"),
        ),
        migrations.AddConstraint(
            model_name="noteattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("outcome__in", ["open", "created", "exists", "absent", "confirmed", "rejected", "lost_pre", "lost_post"])
                ),
                name="note_attempt_outcome_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="noteattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("outcome", "open")),
                    models.Q(models.Q(("outcome", "open"), _negated=True), ("ended_at__isnull", False)),
                    _connector="OR",
                ),
                name="note_attempt_open_until_answered",
            ),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.CheckConstraint(
                condition=models.Q(("address", django.db.models.functions.text.Lower("address"))), name="suppression_in_lower_case"
            ),
        ),
        migrations.AddIndex(
            model_name="systemevent",
            index=models.Index(fields=["-at", "-id"], name="event_newest_first"),
        ),
        migrations.AddIndex(
            model_name="systemevent",
            index=models.Index(fields=["level", "-at"], name="event_by_level"),
        ),
        migrations.AddIndex(
            model_name="systemevent",
            index=models.Index(fields=["component", "-at"], name="event_by_component"),
        ),
        migrations.AddConstraint(
            model_name="systemevent",
            constraint=models.CheckConstraint(
                condition=models.Q(("level__in", ["info", "warning", "error", "alarm"])), name="event_level_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="templateversion",
            constraint=models.UniqueConstraint(fields=("template", "number"), name="one_version_per_number"),
        ),
        migrations.AddConstraint(
            model_name="templateversion",
            constraint=models.CheckConstraint(condition=models.Q(("subject__regex", "^[^\\r\\n]+$")), name="version_subject_is_one_line"),
        ),
        migrations.AddIndex(
            model_name="messagesession",
            index=models.Index(fields=["-started_at", "-id"], name="session_newest_first"),
        ),
        migrations.AddConstraint(
            model_name="messagesession",
            constraint=models.CheckConstraint(condition=models.Q(("mode__in", ["test", "production"])), name="session_mode_known"),
        ),
        migrations.AddConstraint(
            model_name="messagesession",
            constraint=models.CheckConstraint(
                condition=models.Q(("ended_at", None), ("ended_at__gte", models.F("started_at")), _connector="OR"),
                name="session_ends_after_it_starts",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("status", "queued")), fields=["lane", "due_at", "id"], name="message_due"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("status__in", ["claimed", "transmitting"])), fields=["id"], name="message_worked_on"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status__in", ["in_doubt", "failed", "held"])), fields=["-id"], name="message_needs_a_person"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("case__isnull", False)), fields=["case"], name="message_case"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("session__isnull", False)), fields=["session"], name="message_session"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("case__isnull", False), ("is_test", False), ("status", "sent")),
                fields=["case", "-sent_at"],
                name="message_last_mail",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("status", "sent")), fields=["-sent_at", "-id"], name="message_sent"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("bounced_at__isnull", False)), fields=["-sent_at", "-id"], name="message_bounced"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Lower("intended_for"), "text_pattern_ops"),
                name="message_intended_for",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(fields=("key",), name="one_message_per_key"),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(fields=("message_id",), name="one_message_per_message_id"),
        ),
        migrations.RunSQL(promises.SQL, promises.REVERSE),
    ]
