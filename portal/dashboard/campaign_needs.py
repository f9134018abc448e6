"""What campaigns and the scheduler's runs need of a person."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils.timesince import timesince

from campaigns.models import Contact, EmailSchedule, SchedulerRun
from portal import wiring
from portal.config.data import ConfigRefused
from portal.dashboard import campaign_figures
from portal.dashboard.need import Need, rows_of


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
