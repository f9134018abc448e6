"""Import of cases with a preview, and export: every row read by messaging.importing_cases, all of the file or none of it."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from import_export import resources
from import_export.fields import Field
from import_export.widgets import DateWidget

from messaging import importing_cases
from messaging.importing_cases import FIELDS
from messaging.models import Case
from messaging.sheets import Row, Sheet
from portal import wiring
from portal.admin.case_files import ROW, SHAPE, guarded
from portal.admin.file_import import FileForm, FileImport

DATES = {"DOI", "Last Sent", "Last Reply"}


class CaseFileForm(FileForm):
    hint = "A larger file: python manage.py import_cases FILE"


class CaseResource(resources.ModelResource):
    class Meta:
        model = Case
        import_id_fields = ["pv"]
        fields = list(FIELDS.values())
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cleaned: dict[int, dict[str, Any]] = {}
        self.refused: dict[int, list[importing_cases.Problem]] = {}

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Read the whole file with the functions that the command uses: they also compare its rows with each other."""
        rows = [Row(number=int(row[ROW]), values=values_of(row), cells=[], problem=row[SHAPE]) for row in dataset.dict]
        if not kwargs.get("dry_run"):
            importing_cases.keep_others_out()
        good, refused = importing_cases.cleaned_rows(Sheet(header=[], rows=rows), on=wiring.today())
        self.cleaned = {row.number: fields for row, fields in good}
        importing_cases.refuse_taken_pids(good, refused)
        self.refused = {one.row.number: one.problems for one in refused}

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        number = int(row[ROW])
        if problems := self.refused.get(number):
            raise ValidationError({column or "Row": [said for place, said in problems if place == column] for column, _ in problems})
        row["PV"] = self.cleaned[number]["pv"]

    def import_instance(self, instance: Case, row: Any, **kwargs: Any) -> None:
        importing_cases.differs(instance, self.cleaned[int(row[ROW])])

    def export_resource(self, instance: Case, selected_fields: Any = None, **kwargs: Any) -> list[str]:
        return [guarded(cell) for cell in super().export_resource(instance, selected_fields, **kwargs)]


for column, name in FIELDS.items():
    CaseResource.fields[name] = Field(attribute=name, column_name=column, **({"widget": DateWidget("%Y-%m-%d")} if column in DATES else {}))


def values_of(row: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in row.items() if name in FIELDS}


class CaseImport(FileImport):
    resource_classes: Sequence[type] = [CaseResource]
    import_form_class = CaseFileForm
