"""Is the schedule as a run left it?"""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from campaigns import proving
from campaigns.models import SchedulerRun
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report, whole, wrong_usage

TOLD_EVERY = 20  # chunks


class Command(PortalCommand):
    help = (
        "Compares the schedule with what a run wrote: chunks, counts, and each chunk's checksum. What was handed over, stopped or planned "
        "anew since is allowed for; whatever else has changed is named, and the exit code is 3."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=whole(1, 2**63 - 1), metavar="RUN", help="the run's number, as run_history lists it")

    def work(self, *, run: int) -> Report:
        found = SchedulerRun.objects.filter(pk=run).first()
        if found is None:
            raise wrong_usage(f"There is no run {run}. run_history lists those there are.")
        try:
            proof = proving.prove(found, tell=self.tell_progress)
        except proving.ProofRefused as why:
            raise wrong_usage(str(why)) from why
        text = "\n".join([verdict(found, proof), *(line for one in proof.differences for line in in_words(one)), *proof.notes])
        return Report(facts=facts(found, proof), text=text, exit_code=DONE if proof.holds else NEEDS_ATTENTION)

    def tell_progress(self, done: int, of: int) -> None:
        if done % TOLD_EVERY == 0:
            self.progress(done, of, "chunks compared")


def facts(run: SchedulerRun, proof: proving.Proof) -> dict[str, Any]:
    return {
        "run_id": run.pk,
        "status": run.status,
        "verified": proof.holds,
        "chunks": proof.chunks,
        "checksums": {
            "contacts": run.contacts_checksum,
            "before": run.before_checksum,
            "after": run.after_checksum,
            "now": proof.checksum,
        },
        "differences": [asdict(one) for one in proof.differences],
        "notes": proof.notes,
    }


def verdict(run: SchedulerRun, proof: proving.Proof) -> str:
    if proof.holds:
        return f"Run {run.pk}: {proof.chunks:,} chunks, counts and checksums are as the run left them."
    number = len(proof.differences)
    return f"Run {run.pk}: {number:,} difference{'s' * (number != 1)}."


def in_words(one: proving.Difference) -> list[str]:
    rows = [
        f"    {row['id']}  {row['email_type']} to contact {row['contact_id']} on {row['send_on']}, {row['status']}: {row['why']}"
        for row in one.rows
    ]
    return [one.says, *rows]
