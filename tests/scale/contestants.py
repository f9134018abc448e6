"""Who runs, and how each one is started. A contestant lives in processes of its own, with settings of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """`module` holds the functions that queue and send; `recorded` is the SQL that counts the mails known to be sent, `noted` the notes.

    `told` is what it is told besides its own defaults: nothing, where it runs as it comes.
    """

    name: str
    module: str
    recorded: str
    noted: str = ""
    queue: str = "queue"
    mails_share: float = 1.0  # of the mails asked for: the rate is compared, so a slow one may send fewer
    forks_itself: bool = False  # one process is told how many workers to make
    most_workers: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    def share_of(self, mails: int) -> int:
        return round(mails * self.mails_share)

    def can_be(self, workers: int) -> bool:
        return self.most_workers is None or workers <= self.most_workers

    @property
    def settings(self) -> str:
        return f"{self.module}_settings"


PORTAL = Contestant(
    name="This portal",
    module="tests.scale.ours",
    recorded="SELECT count(*) FROM messaging_message WHERE status = 'sent'",
)
PORTAL_WITH_NOTES = Contestant(
    name="This portal, with notes",
    module="tests.scale.ours",
    queue="queue_with_notes",
    recorded=PORTAL.recorded,
    noted="SELECT count(*) FROM messaging_cmsnote WHERE status = 'processed'",
)
POST_OFFICE_NAME = f"django-post-office {version('django-post-office')}"
POST_OFFICE = Contestant(
    name=f"{POST_OFFICE_NAME} as it comes: results every 100 mails, a log row each",
    module="tests.scale.post_office",
    recorded="SELECT count(*) FROM post_office_email WHERE status = 0",
    forks_itself=True,
)
FAILURES_ONLY = 1
POST_OFFICE_WITHOUT_LOG = replace(
    POST_OFFICE, name=f"{POST_OFFICE_NAME}, results every 100 mails, no log rows", told={"LOG_LEVEL": FAILURES_ONLY}
)
POST_OFFICE_AT_THE_END = replace(
    POST_OFFICE,
    name=f"{POST_OFFICE_NAME}, all results at the end, no log rows",
    told={"LOG_LEVEL": FAILURES_ONLY, "BATCH_SIZE": 1_000_000},
)
MAILER_NAME = f"django-mailer {version('django-mailer')}"
MAILER = Contestant(
    name=f"{MAILER_NAME} as it comes: one worker at a time",
    module="tests.scale.django_mailer",
    recorded="SELECT count(*) FROM mailer_messagelog WHERE result = '1'",
    mails_share=0.25,
    most_workers=1,
)
MAILER_WITHOUT_LOCK = replace(
    MAILER,
    name=f"{MAILER_NAME}, its lock taken away, its log without bodies",
    most_workers=None,
    told={"MAILER_USE_FILE_LOCK": False, "MAILER_EMAIL_LOG_MESSAGE_DATA": False},
)
RIVALS = (POST_OFFICE, POST_OFFICE_WITHOUT_LOG, POST_OFFICE_AT_THE_END, MAILER, MAILER_WITHOUT_LOCK)
