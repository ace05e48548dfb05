"""Cells of a column as texts, codes, numbers and ids, whole columns at a time.

What a text means is worked out once for each different text. Nothing here drops a row: what cannot be read comes back as not known,
with a count or a mask for the caller to act on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.domain import check_id, check_text
from data.errors import ContractError
from data.ledger import CodedColumn

_PLAIN_ID = r"^[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?$"


def as_texts(column: pa.Array) -> pa.Array:
    """Texts as a person would write the cells, trimmed; blank is null. Whole floats lose their ".0", true is "true"."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        numbers = column.to_numpy(zero_copy_only=False)
        whole = np.isfinite(numbers) & (np.abs(numbers) < 2**53) & (np.floor(numbers) == numbers)
        if whole[~np.isnan(numbers)].all():
            column = pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=~whole)
        else:
            column = pc.if_else(pa.array(np.isnan(numbers)), pa.scalar(None, kind), column)
    elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ContractError(f"a column of type {kind} cannot be imported; write it as text or number")
    texts = column.cast(pa.large_string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = pc.utf8_trim_whitespace(texts)
        # Python trims a few control characters that Arrow keeps.
        texts = pc.utf8_trim(texts, characters="\x1c\x1d\x1e\x1f\ufeff")
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.large_string()), texts)


def coded(texts: pa.Array) -> CodedColumn:
    """Texts as codes; the levels are in order of first appearance."""
    if len(texts) == 0:
        return CodedColumn(np.zeros(0, dtype=np.int32), ())
    packed = texts.dictionary_encode()
    codes = pc.fill_null(packed.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return CodedColumn(codes, tuple(packed.dictionary.to_pylist()))


def looked_up(column: CodedColumn, meaning: Callable[[str], object]) -> np.ndarray:
    """``meaning`` of every text, object array of shape (n,); None for null."""
    table = np.empty(len(column.levels) + 1, dtype=object)
    table[:-1] = [meaning(level) for level in column.levels]
    return table[column.codes]


def translated(texts: pa.Array, values: Mapping[str, str | None]) -> pa.Array:
    """Texts replaced by what they mean; those not listed stay."""
    if not values:
        return texts
    theirs = pa.array(list(values), pa.large_string())
    ours = pa.array(list(values.values()), pa.large_string())
    place = pc.index_in(texts, value_set=theirs)
    is_listed = pc.and_(pc.is_valid(place), pc.is_valid(texts))
    return pc.if_else(is_listed, ours.take(place), texts)


def checked_texts(texts: pa.Array, *, name: str, limit: int = 1_000) -> tuple[np.ndarray, int]:
    """Texts the contract allows, object array with None for not known, and how many cells were refused."""
    column = coded(texts)
    refused = np.zeros(len(column.levels) + 1, dtype=bool)

    def meaning(text: str) -> str | None:
        try:
            return check_text(text, name=name, limit=limit)
        except ContractError:
            return None

    found = looked_up(column, meaning)
    refused[:-1] = [meaning(level) is None for level in column.levels]
    return found, int(refused[column.codes].sum())


def checked_ids(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Ids, object array with None where there is none or it is no id, and a mask of the latter."""
    found = texts.to_numpy(zero_copy_only=False).astype(object)
    plain = pc.fill_null(pc.match_substring_regex(texts, _PLAIN_ID), True).to_numpy(zero_copy_only=False)
    is_bad = np.zeros(len(found), dtype=bool)
    for row in np.flatnonzero(~plain):
        try:
            found[row] = check_id(found[row], name="id")
        except ContractError:
            found[row], is_bad[row] = None, True
    return found, is_bad


def numbers(texts: pa.Array, *, form: str | None) -> tuple[np.ndarray, int]:
    """Finite numbers, float64 with NaN for not known, and how many cells were no number.

    ``form`` "decimal_comma" reads 1.234,5 and "decimal_point" 1,234.5; without it there are no thousands separators.
    """
    column = coded(texts)

    def meaning(text: str) -> float:
        if form == "decimal_comma":
            text = text.replace(".", "").replace(",", ".")
        elif form == "decimal_point":
            text = text.replace(",", "")
        try:
            number = float(text) if "_" not in text else math.nan
        except ValueError:
            return math.nan
        return number if math.isfinite(number) else math.nan

    found = looked_up(column, meaning)
    found = np.where(column.codes >= 0, found, math.nan).astype(np.float64)
    return found, int((np.isnan(found) & (column.codes >= 0)).sum())
