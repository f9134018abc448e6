"""The environment, read so that a setting that is not understood is named, with what it holds."""

from typing import Any
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.Env):
    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False) -> Any:
        """As the library has it, but for amounts: it would take "1e3" for 13."""
        if cast is float and isinstance(text := self.ENVIRON.get(var, ""), str) and text:
            return self._number(var, text)
        try:
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except ValueError as trouble:
            raise ImproperlyConfigured(f"{var}={self.ENVIRON.get(var, '')!r} is not understood: {trouble}.") from trouble

    def _number(self, var: str, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise ImproperlyConfigured(f"{var}={text!r} is not a number such as 10 or 0.5.") from None

    def zone(self, var: str, *, default: str) -> str:
        """The name of a time zone that there is."""
        name = str(self.str(var, default=default))
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ImproperlyConfigured(f"{var}={name!r} is no time zone such as America/Chicago.") from None
        return name
