"""Is the portal alive, and can it keep its promises? `/healthz` is for whoever restarts it, `/readyz` for whoever watches it.

`/readyz` answers 503 with the reasons when something is missing that no mail or note can do without. A load balancer asks `/healthz`:
a silent cluster is no reason to take the desk away from the people who have to see to it.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from messaging import spool
from portal.dashboard import figures

LATE_AFTER_SECONDS = 15 * 60  # a mail that was due this long ago and is still queued: nobody sends, or no server takes anything

Part = tuple[dict[str, Any], list[str]]  # what is shown, and what is wrong


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """This process answers. Asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Database, queue, clusters and spool, and every reason why mail or notes would not move. No names, no addresses, no secrets."""
    told, problems = state()
    status = "ready" if not problems else "not ready"
    return JsonResponse({"status": status, "problems": problems, **told}, status=503 if problems else 200)


def state() -> Part:
    """Each part is asked apart, so that what still works is told when the rest does not."""
    told, problems = spool_state()
    try:
        for part in DATABASE_PARTS:
            facts, wrong = part()
            told |= facts
            problems += wrong
    except Error:
        connection.close()
        told["database"] = "away"
        problems.insert(0, "The database does not answer.")
    return told, problems


def migrations() -> Part:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    problems = [f"{missing} migrations are not applied: run `manage.py migrate`."] if missing else []
    return {"database": "ok", "migrations_missing": missing}, problems


def queue() -> Part:
    """How long the next mail has been due, and how long the oldest note has been pending. Neither counts where there is none."""
    due = seconds_since(figures.next_due_at())
    late = due is not None and due > LATE_AFTER_SECONDS
    problems = [f"The oldest due mail has waited {due} s."] if late else []
    return {"oldest_due_seconds": due, "oldest_pending_note_seconds": seconds_since(figures.oldest_note_pending_at())}, problems


def clusters() -> Part:
    """Which of the background clusters have answered their watchdog lately."""
    names = [settings.Q_CLUSTER["name"], *settings.Q_CLUSTER["ALT_CLUSTERS"]]
    silent = figures.silent_clusters(names, after=settings.CLUSTER_SILENT_AFTER)
    shown = {name: "answers" if name not in silent else silence(silent[name]) for name in names}
    return {"clusters": shown}, [f"Cluster {name} is silent: is `manage.py run_cluster` running?" for name in silent]


def silence(last_heard_at: datetime | None) -> str:
    return f"silent for {seconds_since(last_heard_at)} s" if last_heard_at else "never heard"


def spool_state() -> Part:
    folder = settings.SPOOL_DIR
    problems = [] if is_writable(folder) else ["The spool folder cannot be written: no answer could be kept while the database is away."]
    return {"spool_depth": spool.depth(folder)}, problems


def is_writable(folder: Path) -> bool:
    """Whether facts can be kept there, tried with a file that is gone again; the folder is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError:
        return False
    return True


def seconds_since(moment: datetime | None) -> int | None:
    """Whole seconds since then, 0 for the future; None where there is no moment."""
    return max(0, int((timezone.now() - moment).total_seconds())) if moment else None


DATABASE_PARTS: list[Callable[[], Part]] = [migrations, queue, clusters]
