"""The nouns of the record. One file per noun; Django finds them all here."""

from messaging.models.attempt import Attempt, Phase
from messaging.models.case import Acknowledgment, Case, CaseStatus
from messaging.models.decision import Decision, Verdict
from messaging.models.error_group import ErrorGroup
from messaging.models.event import Level, SystemEvent
from messaging.models.message import Lane, Message, Reason, Status
from messaging.models.note import CmsNote, NoteAttempt, NoteOutcome, NoteStatus
from messaging.models.provider import Provider, Purpose
from messaging.models.session import MessageSession, Mode
from messaging.models.suppression import Suppression
from messaging.models.template import EmailTemplate, TemplateVersion

__all__ = [
    "Acknowledgment",
    "Attempt",
    "Case",
    "CaseStatus",
    "CmsNote",
    "Decision",
    "EmailTemplate",
    "ErrorGroup",
    "Lane",
    "Level",
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
    "Status",
    "Suppression",
    "SystemEvent",
    "TemplateVersion",
    "Verdict",
]
