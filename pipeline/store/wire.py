"""Columns that the driver would encode slowly: money, text that repeats, empty lists."""

from array import array
from collections.abc import Sequence

from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.container import Array
from clickhouse_connect.datatypes.numeric import Decimal as DecimalType
from clickhouse_connect.datatypes.string import String
from clickhouse_connect.driver.exceptions import NotSupportedError
from clickhouse_connect.driver.insert import InsertContext

from pipeline.store.columns import Repeated, distinct


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
    """`LowCardinality(String)` that looks at each value of a `Repeated` once; None is ''."""

    def _write_column_low_card(
        self,
        column: Sequence[str | None] | Repeated,
        dest: bytearray,
        ctx: InsertContext,
        null_map: Sequence[bool] | None = None,
    ) -> None:
        if null_map is not None:
            raise NotSupportedError("a column within another that is NULL in places")
        if not isinstance(column, Repeated):
            column = Repeated(*distinct(column, len(column)))
        texts, numbers = distinct((text or "" for text in column.values), len(column.values))
        size = next(size for size in range(4) if len(texts) <= 1 << (8 << size))
        # a dictionary of its own, and its keys as unsigned integers of 2 ** size bytes
        dest += array("Q", [(1 << 9) | (1 << 10) | size, len(texts)]).tobytes()
        self._write_column_binary(texts, dest, ctx)
        dest += array("Q", [len(column)]).tobytes()
        dest += numbers[column.places].astype(f"<u{1 << size}").tobytes()


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
