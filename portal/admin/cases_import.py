"""Import of cases with a preview, and export: every row read by messaging.importing_cases, all of the file or none of it."""

import re
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from import_export import resources
from import_export.admin import ImportExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import Format
from import_export.tmp_storages import BaseStorage
from import_export.widgets import DateWidget
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from messaging import importing_cases
from messaging.importing_cases import FIELDS
from messaging.models import Case
from messaging.sheets import Row, Sheet, SheetRefused
from messaging.text_input import TextRefused
from portal import wiring
from portal.admin.case_files import MOST_BYTES, MOST_ROWS, ROW, SHAPE, Csv, CsvOrXlsx, Xlsx, guarded

KEPT_SECONDS = 24 * 60 * 60  # an upload nobody confirmed
DATES = {"DOI", "Last Sent", "Last Reply"}


class UploadLost(OSError):
    """The uploaded file is not here any more: it was imported, or a day has passed."""


class PrivateFiles(BaseStorage):
    """Uploads between preview and confirmation: a folder of our own, names nobody can guess, gone after a day."""

    def save(self, data: bytes) -> None:
        self.name = uuid.uuid4().hex
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder().iterdir():
            if old.stat().st_mtime < time.time() - KEPT_SECONDS:
                old.unlink(missing_ok=True)
        self.path().touch(mode=0o600)
        self.path().write_bytes(data)

    def read(self) -> bytes:
        if not self.path().is_file():
            raise UploadLost("That upload is gone: it was imported already, or a day has passed. Choose the file again.")
        return self.path().read_bytes()

    def remove(self) -> None:
        self.path().unlink(missing_ok=True)

    def path(self) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", self.name or ""):
            raise UploadLost("That upload is not known. Choose the file again.")
        return folder() / self.name


def folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "imports"


class CaseImportForm(ImportForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["import_file"].help_text = (
            f"CSV (UTF-8, comma-separated) or XLSX, at most {MOST_ROWS:,} rows and {MOST_BYTES // 1024**2} MB. Nothing is changed before "
            "you have seen a preview and confirmed it. A larger file: python manage.py import_cases FILE"
        )

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(f"The file has {file.size:,} bytes; in the browser at most {MOST_BYTES:,}. Split it.")
        if not file.name.lower().endswith((".csv", ".xlsx")):
            raise forms.ValidationError("Only .csv or .xlsx files.")
        return file


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


class CaseImport(ImportExportMixin):
    """The two doors on the list of cases: Import and Export, each with its own permission."""

    resource_classes: Sequence[type] = [CaseResource]
    import_form_class = CaseImportForm
    export_form_class = ExportForm
    tmp_storage_class = PrivateFiles

    def get_import_formats(self) -> list[type[Format]]:
        return [CsvOrXlsx]

    def get_export_formats(self) -> list[type[Format]]:
        return [Csv, Xlsx]

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        if not isinstance(e, SheetRefused | TextRefused):
            raise e
        form.add_error("import_file", getattr(e, "sentence", None) or str(e))

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Import what was previewed; a file that has changed or gone meanwhile changes nothing."""
        try:
            return super().process_import(request, **kwargs)
        except (UploadLost, SheetRefused, TextRefused) as lost:
            messages.error(request, str(lost))
        except (ValueError, IndexError):
            messages.error(request, "That confirmation cannot be read. Choose the file again.")
        return HttpResponseRedirect("../import/")

    def process_dataset(self, dataset: Any, form: Any, request: HttpRequest, **kwargs: Any) -> Any:
        result = super().process_dataset(dataset, form, request, rollback_on_validation_errors=True, **kwargs)
        if result.has_errors() or result.has_validation_errors():
            raise SheetRefused("The cases have changed since the preview: some rows no longer fit. Nothing was imported; preview again.")
        return result
