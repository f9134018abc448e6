"""The nouns of campaigns. One file per noun; Django finds them all here."""

from campaigns.models.campaign import CampaignChange, CampaignInstance, CampaignType, ContactCampaign, Targeted
from campaigns.models.contact import Contact, Flag
from campaigns.models.engagement import Behaviour, EngagementEvent
from campaigns.models.imports import ImportJob, ImportKind, ImportPiece, ImportRefusal, ImportStatus
from campaigns.models.replaced import ReplacedSchedule
from campaigns.models.run import RunChunk, RunStatus, RunUndo, SchedulerRun, Scope, Step
from campaigns.models.schedule import EmailSchedule, SkipReason, Status
from campaigns.models.waiting import ContactToPlan

__all__ = [
    "Behaviour",
    "CampaignChange",
    "CampaignInstance",
    "CampaignType",
    "Contact",
    "ContactCampaign",
    "ContactToPlan",
    "EmailSchedule",
    "EngagementEvent",
    "Flag",
    "ImportJob",
    "ImportKind",
    "ImportPiece",
    "ImportRefusal",
    "ImportStatus",
    "ReplacedSchedule",
    "RunChunk",
    "RunStatus",
    "RunUndo",
    "SchedulerRun",
    "Scope",
    "SkipReason",
    "Status",
    "Step",
    "Targeted",
]
