"""What needs a person, most pressing first: each figure with the list of its rows and the button that helps."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from campaigns.models import Contact, EmailSchedule, SchedulerRun
from messaging.models import BackupHistory, CmsNote, Message, Provider
from portal import wiring
from portal.config.data import ConfigRefused
from portal.dashboard import campaign_figures, figures, quote_figures
from portal.quotes.models import Quote
from portal.summaries import watch
from portal.summaries.models import DailySummary

A_MOMENT = timedelta(minutes=1)
DRILLS_WITHIN = timedelta(days=7)
SEEN_WITH = {  # by the first word of a need's name
    "quotes": "portal.view_quote",
    "run": "campaigns.view_schedulerrun",
    "drill": "messaging.view_backuphistory",
    "over": "campaigns.view_emailschedule",
    "exclusion": "campaigns.view_contact",
    "notes": "messaging.view_cmsnote",
    "providers": "messaging.view_provider",
    "cluster": "",
    "summaries": "portal.view_dailysummary",
}
CLUSTERS = [settings.Q_CLUSTER["name"], *settings.Q_CLUSTER["ALT_CLUSTERS"]]


@dataclass(frozen=True, kw_only=True)
class Need:
    """One figure. `act` is the list's own act, asked for on all its rows; without one, the button leads to the list."""

    name: str
    count: int
    noun: str  # what it counts, after the number: "in doubt"
    says: str
    calm: str  # what is said when it is zero
    button: str
    href: str  # the list of its rows
    button_href: str = ""  # where the button leads, if not there
    act: str = ""
    permission: str = ""
    grave: bool = True

    @property
    def seen_with(self) -> str:
        """The permission without which nobody is told of it by mail; none for what concerns all."""
        return SEEN_WITH.get(self.name.partition("_")[0], "messaging.view_message")

    @property
    def shown(self) -> str:
        return f"{figures.CAP:,}+" if self.count > figures.CAP else f"{self.count:,}"


def all_of_them() -> list[Need]:
    return [*cluster(), *mails(), *quotes(), *campaigns(), *providers(), *backups(), *summaries(), *notes()]


def mails() -> Iterable[Need]:
    yield Need(
        name="in_doubt",
        count=figures.in_doubt(),
        noun="in doubt",
        says="The server may or may not have taken them. Nobody sends them again before you say so.",
        calm="No mail in doubt",
        button="Settle them",
        href=rows_of(Message, state="in_doubt"),
    )
    yield Need(
        name="failed",
        count=figures.failed(),
        noun="failed",
        says="They were refused for good, or tried as often as allowed.",
        calm="No mail failed",
        button="Try again now",
        href=rows_of(Message, state="failed"),
        act="try_again_now",
        permission="messaging.decide_message",
    )
    yield Need(
        name="held",
        count=figures.held(),
        noun="held",
        says="They wait until somebody puts them back in the queue.",
        calm="No mail held",
        button="Put back in the queue",
        href=rows_of(Message, state="held"),
        act="put_back",
        grave=False,
        permission="messaging.decide_message",
    )


def quotes() -> Iterable[Need]:
    review, owing = quote_figures.to_review(), quote_figures.owing_mail()
    answers = quote_figures.to_follow_up(lock=settings.QUOTE_LOCK)
    yield Need(
        name="quotes_to_review",
        count=review,
        noun="quote needs review" if review == 1 else "quotes need review",
        says="Their price is not certain enough to be told. Look at the lines, correct them, approve; then the mails go.",
        calm="No quote to review",
        button="Review them",
        href=rows_of(Quote, state="review"),
        grave=False,
    )
    yield Need(
        name="quotes_owing_mail",
        count=owing,
        noun="quote needs retry" if owing == 1 else "quotes need retry",
        says="They are priced, but a mail about it has not gone out yet.",
        calm="Every priced quote is told",
        button="Try them again",
        href=rows_of(Quote, state="owing"),
        button_href=reverse("retry_quote_mails"),
        permission="portal.send_quote",
    )
    yield Need(
        name="quotes_to_follow_up",
        count=answers,
        noun="answer to follow up" if answers == 1 else "answers to follow up",
        says="These customers accepted, or want to talk to a manager, and now wait for a call.",
        calm="No customer waits for a call",
        button="Call them",
        href=rows_of(Quote, state="follow_up"),
        grave=False,
    )


def campaigns() -> Iterable[Need]:
    yield from scheduler_runs()
    over_cap = campaign_figures.days_over_cap(today=wiring.today())
    yield Need(
        name="over_cap",
        count=over_cap,
        noun="day above the daily cap" if over_cap == 1 else "days above the daily cap",
        says="No later day had room for these mails. Stop some, or allow more mails a day.",
        calm="No day above the daily cap",
        button="See the mails",
        href=rows_of(EmailSchedule, state="planned", mark="over_cap"),
        grave=False,
    )
    try:
        rules = wiring.scheduler_settings()[0].state_rules
    except ConfigRefused as refusal:
        yield rules_unusable(refusal)
        return
    unknown = campaign_figures.exclusion_unknown(rules)
    yield Need(
        name="exclusion_unknown",
        count=unknown,
        noun="contact with an unknown exclusion" if unknown == 1 else "contacts with an unknown exclusion",
        says="Their state excludes days around a birthday or a policy date, and that date is missing. Mail to them is not held back.",
        calm="Every exclusion is known",
        button="Enter the dates",
        href=rows_of(Contact, look="exclusion_unknown"),
        grave=False,
    )


def scheduler_runs() -> Iterable[Need]:
    failed, silent = campaign_figures.failed_run(), campaign_figures.silent_run()
    yield Need(
        name="run_failed",
        count=1 if failed else 0,
        noun="scheduler run failed",
        says=f"Of {failed.day}: {failed.error[:200]}. Until one is completed, nothing new is planned." if failed else "",
        calm="The last scheduler run was completed",
        button="See why",
        href=page_of(failed),
    )
    heard = f"Nothing was heard of it for {timesince(silent.heartbeat_at, depth=1)}. " if silent else ""
    yield Need(
        name="run_silent",
        count=1 if silent else 0,
        noun="scheduler run does not get on",
        says=f"{heard}Does `run_cluster` run, and has the database's disk room? It goes on by itself once they do.",
        calm="No scheduler run is stuck",
        button="See the run",
        href=page_of(silent),
        grave=False,
    )


def page_of(run: SchedulerRun | None) -> str:
    return reverse("admin:campaigns_schedulerrun_change", args=[run.pk]) if run else rows_of(SchedulerRun)


def rules_unusable(refusal: ConfigRefused) -> Need:
    return Need(
        name="run_rules",
        count=1,
        noun="set of rules that cannot be used",
        says=f"{refusal} Until that is put right no campaign mail is planned or handed over.",
        calm="The rules can be used",
        button="See the configuration",
        href=reverse("admin:portal_configversion_changelist"),
    )


def notes() -> Iterable[Need]:
    oldest = figures.oldest_note_pending_at()
    pending, needing_pid, refused = figures.notes_pending(), figures.notes_needing_pid(), figures.notes_needing_attention()
    waiting = f"The oldest has waited {timesince(oldest, depth=1)}. " if oldest and timezone.now() - oldest > A_MOMENT else ""
    yield Need(
        name="notes_pending",
        count=pending,
        noun="CMS note pending" if pending == 1 else "CMS notes pending",
        says=f"{waiting}They are sent e-mails that the CMS does not know of yet.",
        calm="All e-mails have CMS notes!",
        button="Add notes now",
        href=rows_of(CmsNote, state="pending"),
        act="add_note_now",
        permission="messaging.post_cmsnote",
        grave=False,
    )
    yield Need(
        name="notes_needing_pid",
        count=needing_pid,
        noun="note needs a PID" if needing_pid == 1 else "notes need a PID",
        says="Their case has no number in the CMS. Enter it, and the note follows by itself.",
        calm="No note needs a PID",
        button="Enter the PIDs",
        href=rows_of(CmsNote, state="needs_pid"),
    )
    yield Need(
        name="notes_needing_attention",
        count=refused,
        noun="note refused" if refused == 1 else "notes refused",
        says="The CMS refused them for a reason that only a person can remove.",
        calm="No note refused",
        button="See what is wrong",
        href=rows_of(CmsNote, state="needs_attention"),
    )


def providers() -> Iterable[Need]:
    down = figures.providers_down()
    yield Need(
        name="providers_down",
        count=len(down),
        noun="server paused" if len(down) == 1 else "servers paused",
        says=" ".join(f"{provider.name}: {provider.reason}" for provider in down)[:300],
        calm="All servers answer",
        button="Try it now" if len(down) == 1 else "Try them now",
        href=rows_of(Provider, paused_until__isnull="False"),
        act="try_now",
        permission="messaging.change_provider",
    )


def backups() -> Iterable[Need]:
    since = figures.undrilled_since(within=DRILLS_WITHIN)
    yield Need(
        name="drill_late",
        count=int(since is not None),
        noun="restore drill is late",
        says=f"No backup was restored to try it since {timesince(since, depth=1)}. Run on the server: python manage.py restore_drill"
        if since
        else "",
        calm="A backup was restored within 7 days",
        button="See the backups",
        href=rows_of(BackupHistory),
        grave=False,
    )


def cluster() -> Iterable[Need]:
    silent = figures.silent_clusters(CLUSTERS, after=settings.CLUSTER_SILENT_AFTER)
    heard = [f"{name}: {f'silent for {timesince(at, timezone.now(), depth=1)}' if at else 'never heard of'}" for name, at in silent.items()]
    yield Need(
        name="cluster_silent",
        count=len(silent),
        noun="background worker silent" if len(silent) == 1 else "background workers silent",
        says=f"Nothing is sent by itself ({'; '.join(heard)}). Start it on the server: python manage.py run_cluster",
        calm="Background work is running",
        button="",
        href=reverse("readyz"),
    )


def summaries() -> Iterable[Need]:
    since, failed = watch.silent_since(), figures.capped(DailySummary.objects.for_a_person())
    yield Need(
        name="summaries_silent",
        count=int(since is not None),
        noun="run over the daily summaries is late",
        says=f"The last was {timesince(since, depth=1)} ago. Nobody is sent a summary before the next." if since else "",
        calm="Daily summaries are looked after",
        button="See who waits",
        href=reverse("summaries"),
    )
    yield Need(
        name="summaries_failed",
        count=failed,
        noun="daily summary failed" if failed == 1 else "daily summaries failed",
        says="They are not tried again by themselves.",
        calm="No daily summary failed",
        button="Send them now",
        href=rows_of(DailySummary, state="for_a_person"),
        act="send_now",
        permission="portal.send_dailysummary",
        grave=False,
    )


def rows_of(model: type[Model], **parameters: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=parameters or None)
