"""What the servers share: the mails, the notes, the calls of the AI, the scripts, and the one way to tell them what to do."""

import ssl
import threading
from collections import Counter
from datetime import UTC, datetime
from os import getpid
from pathlib import Path
from secrets import token_hex
from typing import Any

from portal.sandbox.ai import Ai
from portal.sandbox.cms import Cms, NoteBook
from portal.sandbox.faults import FAULTS
from portal.sandbox.ledger import Ledger, Line, read
from portal.sandbox.mail_server import MailServer
from portal.sandbox.mailbox import Mailbox
from portal.sandbox.script import NotUnderstood, Plan, Script, plan_from
from portal.sandbox.smtp import Desk

FILES = {"mail": "mail.jsonl", "notes": "cms.jsonl", "ai": "ai.jsonl", "faults": "faults.jsonl"}
SERVERS = ("mail", "notes", "ai")


class Inside:
    """The sandbox without its HTTP door; what the pages and the control endpoint work on."""

    def __init__(
        self, folder: Path, *, host: str, smtp_port: int, http_port: int, keep: bool, cms_token: str, tls: ssl.SSLContext | None
    ) -> None:
        self.folder, self.host, self.http_port = folder, host, http_port
        self.nonce, self.started_at, self.running = token_hex(8), datetime.now(UTC), False
        self.scripts = {server: Script(Plan(server)) for server in SERVERS}
        self.faults = Ledger(self.folder / FILES["faults"], nonce=self.nonce)
        self.mailbox = Mailbox(self.folder, nonce=self.nonce, keep=keep)
        self.book = NoteBook(self.folder, nonce=self.nonce)
        self.cms = Cms(self.book, script=self.scripts["notes"], faults=self.faults, token=cms_token)
        self.ai = Ai(Ledger(self.folder / FILES["ai"], nonce=self.nonce), script=self.scripts["ai"], faults=self.faults)
        desk = Desk(mailbox=self.mailbox, script=self.scripts["mail"], faults=self.faults)
        self.mail = MailServer(desk, host=host, port=smtp_port, tls=tls)
        self.changing = threading.Lock()

    def use(self, *, mail: object = None, notes: object = None, ai: object = None) -> None:
        """Put scripts in force, each replacing all of that server's; {} is "all normal". Raises NotUnderstood, changing nothing."""
        told = {"mail": mail, "notes": notes, "ai": ai}
        plans = {server: plan_from(script, server=server) for server, script in told.items() if script is not None}
        with self.changing:
            for server, plan in plans.items():
                self.scripts[server].follow(plan)
            if "mail" in plans and self.running:
                self.mail.obey(plans["mail"])

    def control(self, told: object = None) -> dict[str, Any]:
        """Obey {"mail": script, "notes": script, "ai": script}, or what of it is given; tell what is in force and what happened so far."""
        if told is not None:
            if not isinstance(told, dict) or set(told) - set(SERVERS):
                raise NotUnderstood(f'scripts are given as {{"mail": …, "notes": …, "ai": …}}; got {told!r:.80}')
            self.use(**told)
        mine = [line for line in self.fault_ledger() if line["nonce"] == self.nonce]
        return {
            "nonce": self.nonce,
            "pid": getpid(),
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "smtp_port": self.smtp_port,
            "http_port": self.http_port,
            "scripts": {server: script.plan.as_json() for server, script in self.scripts.items()},
            "counters": {
                "mail": self.mailbox.count,
                "notes": len(self.book.notes),
                "ai": self.ai.count,
                "faults": Counter(line["fault"] for line in mine),
            },
            "faults": {server: {fault.name: fault.meaning for fault in faults.values()} for server, faults in FAULTS.items()},
        }

    def mail_ledger(self) -> list[Line]:
        """One line per accepted mail and recipient, oldest first, over all starts in this folder."""
        return self.ledger("mail")

    def note_ledger(self) -> list[Line]:
        """One line per note kept, oldest first, over all starts in this folder."""
        return self.ledger("notes")

    def ai_ledger(self) -> list[Line]:
        """One line per question to the AI, oldest first, over all starts in this folder."""
        return self.ledger("ai")

    def fault_ledger(self) -> list[Line]:
        """One line per fault that struck, oldest first, over all starts in this folder."""
        return self.ledger("faults")

    def ledger(self, name: str) -> list[Line]:
        return read(self.folder / FILES[name])

    @property
    def smtp_port(self) -> int:
        return self.mail.port

    @property
    def http_url(self) -> str:
        return f"http://{self.host}:{self.http_port}"
