"""Columns that the driver would encode slowly: money, text that repeats, empty lists."""

from array import array
from collections.abc import Sequence

from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.container import Array
from clickhouse_connect.datatypes.numeric import Decimal as DecimalType
from clickhouse_connect.datatypes.string import String
from clickhouse_connect.driver.insert import InsertContext


class NanoDollars(DecimalType, registered=False):
    """The wire form of `Decimal(P, 9)` for values that are integers of 1e-9 already."""

    def _write_column_binary(
        self, column: Sequence[int | None], dest: bytearray, ctx: InsertContext
    ) -> None:
        del ctx
        filled = [value or 0 for value in column]
        if self.byte_size == 8:
            dest += array("q", filled).tobytes()
        else:
            dest += b"".join(
                [value.to_bytes(self.byte_size, "little", signed=True) for value in filled]
            )


class RepeatedText(String, registered=False):
    """`LowCardinality(String)` whose dictionary is built by the interpreter's own loops."""

    def _build_lc_dictionary(
        self, column: Sequence[str], _ctx: InsertContext
    ) -> tuple[list[str], list[int]]:
        index = list(dict.fromkeys(column))
        if len(index) == 1:
            return index, [0] * len(column)
        place = {text: number for number, text in enumerate(index)}
        return index, list(map(place.__getitem__, column))


class SparseList(Array, registered=False):
    """`Array` of which most batches hold nothing."""

    def write_column_data(
        self, column: Sequence[Sequence[str]], dest: bytearray, ctx: InsertContext
    ) -> None:
        """Eight bytes of offset a row, and no element."""
        if any(column):
            super().write_column_data(column, dest, ctx)
        else:
            dest += bytes(8 * len(column))


def insert_type(column: ClickHouseType) -> ClickHouseType:
    """The type to insert a column with; it names itself to the store as the one given."""
    if isinstance(column, DecimalType) and column.scale == 9:
        return NanoDollars(column.type_def, column.prec, column.byte_size * 8, column.scale)
    if isinstance(column, String) and column.low_card and not column.nullable:
        return RepeatedText(column.type_def)
    if isinstance(column, Array):
        return SparseList(column.type_def)
    return column
