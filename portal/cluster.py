"""The watchdog: runs every django-q2 cluster in a process group of its own, and starts anew the one that has fallen silent.

A killed worker or monitor can hang a whole cluster without a word. So each cluster is rung, and is alive only while its rings are both
run by a worker and acknowledged. django-q2 is a doorbell here: what a killed cluster left undone is found in our own tables.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.db import Error, connection
from django_q.models import OrmQ
from django_q.tasks import async_task

from messaging import journal
from messaging.models import Level
from portal.cluster_process import WATCHDOG
from portal.doorbell import OWN_KEY
from portal.models import Heartbeat

log = logging.getLogger(__name__)
RINGS_PER_SILENCE = 3  # rings that must all stay unanswered before a cluster counts as silent
TICKS_PER_SILENCE = 2
GLANCE_EVERY_SECONDS = 0.5
START_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 120.0
LONGEST_PAUSE_SECONDS = 60.0  # between two starts of a cluster that does not stay up
FORGET_AFTER = timedelta(days=1)


class Cluster:
    """One cluster under watch: its process group, its last ring, and since when nothing was heard of it."""

    def __init__(self, name: str, *, manage: Path, spool_dir: Path, silent_after_seconds: float) -> None:
        self.name, self.manage, self.spool_dir = name, manage, spool_dir
        self.key = f"{name}@{socket.gethostname()[:60]}-{os.getpid()}"
        self.silent_after_seconds = silent_after_seconds
        self.process: subprocess.Popen[bytes] | None = None
        self.starts_in_row = 0  # since it last answered
        self.start_at = self.heard_at = time.monotonic()
        self.rung_at: float | None = None
        self.is_ringing = self.has_answered = False

    def watch(self) -> None:
        """One glance: start it if it is time, ring it if it is time, and replace it if it has ended or fallen silent."""
        if self.process is None:
            if time.monotonic() >= self.start_at:
                self._start()
        elif self.process.poll() is not None:
            self._replace(f"its main process ended with code {self.process.returncode}")
        else:
            self._listen()
            patience = self.silent_after_seconds if self.has_answered else max(self.silent_after_seconds, START_WITHIN_SECONDS)
            if time.monotonic() - self.heard_at > patience:
                self._replace(f"it answered no ring for {patience:.0f} s")

    def ask_to_stop(self) -> None:
        """Its main process alone is told: django-q2 loses its workers' tasks when the signal reaches those as well."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def has_stopped(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """No process of the group is left."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def forget(self) -> None:
        """Neither its rings nor its heartbeat are left: it was stopped on purpose."""
        OrmQ.objects.filter(key=self.key).delete()
        Heartbeat.objects.filter(key=self.key).delete()

    def _start(self) -> None:
        command = [sys.executable, str(self.manage), "run_cluster", "--only", self.name, "--skip-checks"]
        told = {"Q_CLUSTER_NAME": self.name, OWN_KEY: self.key, WATCHDOG: str(os.getpid())}
        self.process = subprocess.Popen(command, env=os.environ | told, start_new_session=True)
        self.heard_at, self.rung_at = time.monotonic(), None
        self.is_ringing = self.has_answered = False

    def _replace(self, why: str) -> None:
        pause = min(2.0**self.starts_in_row, LONGEST_PAUSE_SECONDS)
        self.starts_in_row += 1
        self.kill()
        self.start_at = time.monotonic() + pause
        text = f"Cluster {self.name} was killed and is started anew in {pause:.0f} s: {why}."
        journal.record(Level.ALARM, "cluster", text, spool_dir=self.spool_dir, detail={"cluster": self.key})

    def _listen(self) -> None:
        """Hear the answer to the last ring, or ring again. While the database is away nobody can answer, and that is no silence."""
        now = time.monotonic()
        try:
            if self.is_ringing and self._is_answered():
                self.heard_at, self.is_ringing, self.has_answered, self.starts_in_row = now, False, True, 0
            elif not self.is_ringing and self._is_time_to_ring(now):
                self._ring()
                self.rung_at, self.is_ringing = now, True
        except Error as trouble:
            connection.close()
            self.heard_at, self.is_ringing = now, False
            log.warning("[cluster] %s is not watched, the database is away: %s", self.name, trouble)

    def _is_time_to_ring(self, now: float) -> bool:
        return self.rung_at is None or now - self.rung_at >= self.silent_after_seconds / RINGS_PER_SILENCE

    def _ring(self) -> None:
        OrmQ.objects.filter(key=self.key).delete()
        Heartbeat.objects.ring(key=self.key, cluster=self.name)
        async_task("portal.tasks.heartbeat", self.key, cluster=self.key)

    def _is_answered(self) -> bool:
        """A worker has run the ring's task, and the ring has left the queue: both halves of the cluster live."""
        return not OrmQ.objects.filter(key=self.key).exists() and Heartbeat.objects.acknowledge(key=self.key)


def supervise(clusters: Sequence[Cluster], *, tick: Callable[[], None], told_to_stop: Callable[[], bool]) -> None:
    """Every cluster runs and answers, and `tick` is called twice in every span of silence, until told to stop; then all have ended."""
    tick_every_seconds = min(cluster.silent_after_seconds for cluster in clusters) / TICKS_PER_SILENCE
    tick_at = time.monotonic()
    try:
        while not told_to_stop():
            for cluster in clusters:
                cluster.watch()
            if time.monotonic() >= tick_at:
                tick_at = time.monotonic() + tick_every_seconds
                _tick(tick)
            time.sleep(GLANCE_EVERY_SECONDS)
    finally:
        stop(clusters, within_seconds=STOP_WITHIN_SECONDS)


def stop(clusters: Sequence[Cluster], *, within_seconds: float) -> None:
    """Every cluster has ended: by itself, with what its workers had in hand, or killed after `within_seconds`."""
    deadline = time.monotonic() + within_seconds
    for cluster in clusters:
        cluster.ask_to_stop()
    while time.monotonic() < deadline and not all(cluster.has_stopped() for cluster in clusters):
        time.sleep(0.1)
    for cluster in clusters:
        cluster.kill()
        with suppress(Error):
            cluster.forget()


def forget_abandoned() -> None:
    """Heartbeats and rings of watchdogs that were killed long ago are gone."""
    keys = list(Heartbeat.objects.abandoned(after=FORGET_AFTER).values_list("key", flat=True))
    OrmQ.objects.filter(key__in=keys).delete()
    Heartbeat.objects.filter(key__in=keys).delete()


def _tick(tick: Callable[[], None]) -> None:
    try:
        tick()
    except Error as trouble:
        connection.close()
        log.warning("[cluster] the database is away: %s", trouble)
