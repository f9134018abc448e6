"""Who runs, and how each one is started. A contestant lives in processes of its own, with settings of its own."""

from dataclasses import dataclass, replace
from importlib.metadata import version


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """`module` holds the functions that queue and send; `recorded` is the SQL that counts the mails known to be sent, `noted` the notes."""

    name: str
    module: str
    recorded: str
    noted: str = ""
    queue: str = "queue"
    mails_share: float = 1.0  # of the mails asked for: the rate is compared, so a slow one may send fewer
    forks_itself: bool = False  # one process is told how many workers to make
    batch: int = 0  # mails per batch, where the contestant is told

    def share_of(self, mails: int) -> int:
        return round(mails * self.mails_share)

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
POST_OFFICE = Contestant(
    name=f"django-post-office {version('django-post-office')}, results every 100 mails (its default)",
    module="tests.scale.post_office",
    recorded="SELECT count(*) FROM post_office_email WHERE status = 0",
    forks_itself=True,
    batch=100,
)
POST_OFFICE_AT_THE_END = replace(
    POST_OFFICE, name=f"django-post-office {version('django-post-office')}, all results at the end", batch=1_000_000
)
MAILER = Contestant(
    name=f"django-mailer {version('django-mailer')}",
    module="tests.scale.django_mailer",
    recorded="SELECT count(*) FROM mailer_messagelog WHERE result = '1'",
    mails_share=0.25,
)
RIVALS = (POST_OFFICE, POST_OFFICE_AT_THE_END, MAILER)
