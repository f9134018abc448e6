"""The portal's own settings, on the bench's database."""

from portal.settings import *  # noqa: F403
from tests.scale.surroundings import DATABASES  # noqa: F401
