"""One figure that needs a person, with the list of its rows and the button that helps."""

from dataclasses import dataclass

from django.db.models import Model
from django.urls import reverse

from portal.dashboard import figures

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


def rows_of(model: type[Model], **parameters: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=parameters or None)
