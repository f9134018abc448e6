"""The nouns of the record. One file per noun; Django finds them all here."""

from messaging.models.attempt import Attempt, Phase
from messaging.models.backup import BackupHistory, BackupStatus
from messaging.models.case import Acknowledgment, Case, CaseStatus, LastMail
from messaging.models.decision import Decision, Verdict
from messaging.models.delivery_event import DeliveryEvent, HookTally, Told
from messaging.models.error_group import ErrorGroup
from messaging.models.event import Level, SystemEvent
from messaging.models.logged import Channel, LoggedMessage, LoggedSession, LogStatus
from messaging.models.message import Lane, Message, Reason, Status
from messaging.models.note import CmsNote, NoteAttempt, NoteOutcome, NoteStatus
from messaging.models.provider import Provider, Purpose
from messaging.models.seed_row import LogRow, SessionRow
from messaging.models.session import MessageSession, Mode
from messaging.models.snapshot import Snapshot
from messaging.models.spool_file import SpoolFile
from messaging.models.suppression import Suppression
from messaging.models.template import EmailTemplate, TemplateVersion

__all__ = [
    "Acknowledgment",
    "Attempt",
    "BackupHistory",
    "BackupStatus",
    "Case",
    "CaseStatus",
    "Channel",
    "CmsNote",
    "Decision",
    "DeliveryEvent",
    "EmailTemplate",
    "ErrorGroup",
    "HookTally",
    "Lane",
    "LastMail",
    "Level",
    "LogRow",
    "LogStatus",
    "LoggedMessage",
    "LoggedSession",
    "Message",
    "MessageSession",
    "Mode",
    "NoteAttempt",
    "NoteOutcome",
    "NoteStatus",
    "Phase",
    "Provider",
    "Purpose",
    "Reason",
    "SessionRow",
    "Snapshot",
    "SpoolFile",
    "Status",
    "Suppression",
    "SystemEvent",
    "TemplateVersion",
    "Told",
    "Verdict",
]
