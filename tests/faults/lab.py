"""One PostgreSQL, one zygote and one sandbox, and what a test asks of them."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from portal.sandbox import Sandbox
from tests.faults import ledger
from tests.faults.pgctl import Cluster, cluster
from tests.faults.zygote import Worker, Zygote


@dataclass
class Lab:
    database: Cluster
    zygote: Zygote
    folder: Path
    sandbox: Sandbox = field(init=False)
    workers: list[Worker] = field(default_factory=list)

    @property
    def ai_url(self) -> str:
        return f"{self.sandbox.http_url}/ai/v1"

    def place(self, *, lease_seconds: float, settle_seconds: float, lock_seconds: float = 30.0) -> dict[str, Any]:
        return {
            "ai_url": self.ai_url,
            "lock_seconds": lock_seconds,
            "smtp_port": self.sandbox.smtp_port,
            "cms_url": f"{self.sandbox.http_url}/cms",
            "spool_dir": str(self.folder / "spool"),
            "lease_seconds": lease_seconds,
            "settle_seconds": settle_seconds,
        }

    def fork(self, act: str, **told: Any) -> Worker:
        worker = self.zygote.fork(act, **told)
        self.workers.append(worker)
        return worker

    def statuses(self, table: str = "message") -> Counter[str]:
        return Counter(dict(self.database.ask(f"SELECT status, count(*) FROM messaging_{table} GROUP BY 1")))

    def faults_met(self, *names: str) -> set[str]:
        """The Message-IDs or references that these scripted faults struck."""
        return {line["message_id"] or line["key"] for line in self.sandbox.fault_ledger() if line["fault"] in names}

    def wrong(self) -> list[str]:
        """What is wrong with the record and between the ledgers, in sentences. Empty ledgers, or a stranger's, prove nothing."""
        asked = httpx.get(f"{self.sandbox.http_url}/control", trust_env=False).json()
        assert asked["nonce"] == self.sandbox.nonce, "another sandbox answers at our port"
        assert asked["pid"] == os.getpid(), "another sandbox answers at our port"
        mails, notes = self.sandbox.mail_ledger(), self.sandbox.note_ledger()
        assert mails, "no mail arrived at all"
        found = ledger.disagreements(self.database, mails=mails, notes=notes, nonce=self.sandbox.nonce)
        return self.zygote.run("verify", drained=True) + [f"{name}: {examples}" for name, examples in found.items()]

    @contextmanager
    def emptied(self) -> Iterator["Lab"]:
        """No rows, no spool, a sandbox of its own with free ports; afterwards no worker is left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "marks").mkdir(parents=True)
        ours = self.database.ask("SELECT tablename FROM pg_tables WHERE tablename ~ '^(messaging|campaigns|portal)_'")
        tables = ", ".join(name for (name,) in ours)
        self.database.ask(f"TRUNCATE {tables}, auth_user, django_q_ormq CASCADE")
        with Sandbox(self.folder / "sandbox", keep=False) as self.sandbox:
            try:
                yield self
            finally:
                self.database.start()
                for worker in self.workers:
                    worker.kill()
                self.workers.clear()


@contextmanager
def lab() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="portal-lab-"))
    with cluster() as database:
        zygote = Zygote(database_url=database.url)
        try:
            zygote.run("migrate", within_seconds=120)
            yield Lab(database, zygote, folder / "run")
        finally:
            zygote.end()
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(zygote.folder, ignore_errors=True)
