"""The signed addresses in a campaign mail: to unsubscribe, and to be counted on the way to a page. Nobody else can make one, or change it.

They name the mail and no e-mail address, and never run out: a mail may lie in an inbox for years.
"""

from dataclasses import dataclass, field
from typing import Any

from django.core import signing

UNSUBSCRIBE, CLICK = "campaigns.unsubscribe", "campaigns.click"


class NotOurs(Exception):
    """Nobody here made this link, or not all of it has arrived."""


@dataclass(frozen=True, kw_only=True)
class Links:
    """`key` signs; what `old_keys` have signed is still believed."""

    site_url: str
    key: str = field(repr=False)
    old_keys: tuple[str, ...] = field(default=(), repr=False)

    def unsubscribe(self, schedule_id: int) -> str:
        return f"{self.site_url}/unsubscribe/{self._signer(UNSUBSCRIBE).sign_object([schedule_id])}/"

    def click(self, schedule_id: int, *, target: str) -> str:
        return f"{self.site_url}/t/{self._signer(CLICK).sign_object([schedule_id, target])}/"

    def read_unsubscribe(self, token: str) -> int:
        """The schedule whose mail the link was in. Raises NotOurs."""
        (schedule_id,) = self._read(UNSUBSCRIBE, token)
        return int(schedule_id)

    def read_click(self, token: str) -> tuple[int, str]:
        """The schedule whose mail the link was in, and where it leads. Raises NotOurs."""
        schedule_id, target = self._read(CLICK, token)
        return int(schedule_id), str(target)

    def _signer(self, salt: str) -> signing.Signer:
        return signing.Signer(key=self.key, salt=salt, fallback_keys=list(self.old_keys))

    def _read(self, salt: str, token: str) -> Any:
        try:
            return self._signer(salt).unsign_object(token)
        except (signing.BadSignature, ValueError):
            raise NotOurs(token[:20]) from None
