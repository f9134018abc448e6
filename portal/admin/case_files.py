"""Files as staff bring and take them: CSV or XLSX in, with limits checked before anything is unpacked; formula-safe out."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import tablib
from import_export.formats.base_formats import Format
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from messaging.importing_cases import COLUMNS, FIELDS
from messaging.sheets import Columns, Sheet, SheetRefused, read_csv, read_rows, write_csv

MOST_ROWS = 5_000  # that a browser can preview; the command import_cases takes more
MOST_BYTES = 5 * 1024 * 1024
MOST_UNPACKED = 200 * 1024 * 1024  # bytes
MOST_RATIO = 100  # unpacked to packed
MOST_COLUMNS = 50
ROW, SHAPE = "Row", "Shape"  # columns of our own: where a row stood in the file, and what is wrong with its shape
FORMULA_STARTS = tuple("=+-@\t\r\n\x00|＝＋－＠｜")
NUMBERS = {"Balance", "Amount CAD"}


class CsvOrXlsx(Format):
    """What may be imported; which of the two it is, is read off the file itself."""

    columns = COLUMNS
    names: Sequence[str] = tuple(FIELDS)
    larger = "Split it, or have it imported with: python manage.py import_cases FILE"

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    def get_title(self) -> str:
        return "CSV or XLSX"

    def can_import(self) -> bool:
        return True

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        """The file's rows under the columns' own names. Raises SheetRefused or TextRefused, which say what is wrong with it."""
        sheet = read(in_stream, columns=self.columns)
        if len(sheet.rows) > MOST_ROWS:
            raise SheetRefused(f"The file has {len(sheet.rows):,} rows; in the browser at most {MOST_ROWS:,}. {self.larger}")
        names = [name for name in self.names if any(name in row.values for row in sheet.rows)]
        dataset = tablib.Dataset(headers=[ROW, *names, SHAPE])
        for row in sheet.rows:
            dataset.append([row.number, *(row.values.get(name, "") for name in names), row.problem])
        return dataset


class Csv(Format):
    def get_title(self) -> str:
        return "CSV"

    def get_extension(self) -> str:
        return "csv"

    def get_content_type(self) -> str:
        return "text/csv; charset=utf-8"

    def can_export(self) -> bool:
        return True

    def export_data(self, dataset: Any, **kwargs: Any) -> bytes:
        return write_csv(dataset.headers, [[str(cell) for cell in row] for row in dataset]).encode()


class Xlsx(Format):
    page = "Cases"

    def get_title(self) -> str:
        return "XLSX"

    def get_extension(self) -> str:
        return "xlsx"

    def get_content_type(self) -> str:
        return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    def can_export(self) -> bool:
        return True

    def export_data(self, dataset: Any, **kwargs: Any) -> bytes:
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet(self.page)
        sheet.append(dataset.headers)
        for row in dataset:
            sheet.append([typed(name, cell) for name, cell in zip(dataset.headers, row, strict=True)])
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()


def typed(name: str, cell: str) -> Decimal | str:
    return Decimal(cell) if name in NUMBERS and cell else cell


def guarded(cell: Any) -> str:
    """The value as a spreadsheet shows it and never runs it."""
    text = str(cell if cell is not None else "")
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def unguarded(cell: str) -> str:
    """What `guarded` was given: our own export, edited and brought back, says the same."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def read(data: bytes, *, columns: Columns = COLUMNS) -> Sheet:
    if len(data) > MOST_BYTES:
        raise SheetRefused(f"The file has {len(data):,} bytes; in the browser at most {MOST_BYTES:,}. Split it.")
    if not data.strip():
        raise SheetRefused("The file is empty.")
    sheet = read_rows(workbook_rows(data), columns=columns) if data.startswith(b"PK\x03\x04") else read_csv(data, columns=columns)
    for row in sheet.rows:
        row.values.update({name: unguarded(value) for name, value in row.values.items()})
    return sheet


def workbook_rows(data: bytes) -> Iterator[Sequence[str]]:
    """The first page of a workbook as texts, its size having been checked first."""
    refuse_bombs(data)
    try:
        values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
        pages = zip(values.worksheets[0].iter_rows(), formulas.worksheets[0].iter_rows(values_only=True), strict=False)
        for number, (cells, written) in enumerate(pages, start=1):
            if number > MOST_ROWS + 1_000:  # some of them empty
                raise SheetRefused(f"The file has more than {MOST_ROWS:,} rows; split it, or use: python manage.py import_cases FILE")
            yield texts(number, cells[:MOST_COLUMNS], written)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, IndexError, OSError, ValueError, SyntaxError) as broken:
        if isinstance(broken, SheetRefused):
            raise
        raise SheetRefused("This workbook cannot be read. Save it again as .xlsx or as CSV.") from None


def refuse_bombs(data: bytes) -> None:
    try:
        parts = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except zipfile.BadZipFile:
        raise SheetRefused("This workbook is cut off or damaged. Save it again as .xlsx or as CSV.") from None
    names = {part.filename for part in parts}
    if "xl/vbaProject.bin" in names:
        raise SheetRefused("Only .csv or .xlsx: this workbook holds macros. Save it as .xlsx or CSV.")
    if "xl/workbook.xml" not in names:
        raise SheetRefused("Only .csv or .xlsx: this is another kind of archive.")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED or unpacked > MOST_RATIO * max(len(data), 1):
        raise SheetRefused(
            f"Unpacked it would have {unpacked:,} bytes; at most {MOST_UNPACKED:,}, and {MOST_RATIO} times the file. Save it as CSV."
        )


def texts(number: int, cells: Sequence[Any], written: Sequence[Any]) -> list[str]:
    """A row's cells as somebody would have typed them."""
    for place, (cell, source) in enumerate(zip(cells, written, strict=False), start=1):
        if cell.value is None and isinstance(source, str) and source.startswith("="):
            where = f"Row {number}, column {get_column_letter(place)}"
            raise SheetRefused(f"{where} holds a formula without a value. Save the file in Excel again.")
    return [as_typed(cell.value) for cell in cells]


def as_typed(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
