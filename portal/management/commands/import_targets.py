"""Files of targets of campaigns come in from the shell."""

from campaigns.models import ImportKind
from portal.management.importing import ImportCommand


class Command(ImportCommand):
    kind = ImportKind.TARGETS
    help = (
        "Takes targets of campaigns in from a CSV file of any size, all in one transaction. Each row names a contact (id or e-mail), a "
        "campaign (its name, its id, or type:name) and a trigger date. Targets are added, none is removed. "
        "Rows with a mistake are written to a file of their own, to be corrected and imported again; exit code 3 then. "
        "The same file again changes nothing."
    )
