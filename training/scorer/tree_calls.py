"""Predictions by LightGBM's C library.

``Booster.predict`` spends more time on its arguments than the trees take for one lead, and for several it casts its arrays to pointers
by ``ctypes.cast``, which leaves them in a reference cycle: every matrix would stay in memory until the next full collection. These calls
give the same bits. The one for a single row keeps its settings; its handle has one buffer, so each thread has its own.
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import lightgbm

RAW, CONTRIBUTIONS = 1, 3  # LightGBM's numbers for what is predicted
_DOUBLE = 1
_ALL_TREES = -1
_BY_ROW = 1
_ONE_THREAD = b"num_threads=1"


def of_rows(booster: lightgbm.Booster, kind: int, X: np.ndarray) -> np.ndarray:
    """Predictions for the rows of X, float64, shape (n, p) in C order: shape (n, 1), or (n, p + 1) with the expectation last."""
    from lightgbm.basic import _LIB, _safe_call

    made = np.empty((len(X), X.shape[1] + 1 if kind == CONTRIBUTIONS else 1))
    n_made = ctypes.c_int64(0)
    _safe_call(
        _LIB.LGBM_BoosterPredictForMat(
            booster._handle,
            ctypes.c_void_p(X.ctypes.data),
            ctypes.c_int(_DOUBLE),
            ctypes.c_int32(len(X)),
            ctypes.c_int32(X.shape[1]),
            ctypes.c_int(_BY_ROW),
            ctypes.c_int(kind),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_TREES),
            ctypes.c_char_p(_ONE_THREAD),
            ctypes.byref(n_made),
            ctypes.c_void_p(made.ctypes.data),
        )
    )
    if n_made.value != made.size:
        raise ValueError(f"LightGBM made {n_made.value} numbers where {made.size} were expected")
    return made


class OneRow(threading.local):
    """Predictions of one kind, ``RAW`` or ``CONTRIBUTIONS``, for one row at a time. Threads share nothing but the booster."""

    def __init__(self, booster: lightgbm.Booster, kind: int, *, n_columns: int) -> None:
        # Made anew in each thread that asks, and gone with it.
        self._prepared = _Prepared(booster, kind, n_columns=n_columns)

    def of(self, row: np.ndarray) -> np.ndarray:
        """The prediction for a row of shape (n_columns,): shape (1,), or (n_columns + 1,) with the expectation last."""
        return self._prepared.of(row)


class _Prepared:
    """A handle with its buffers."""

    def __init__(self, booster: lightgbm.Booster, kind: int, *, n_columns: int) -> None:
        from lightgbm.basic import _LIB, _safe_call

        self._lib, self._checked = _LIB, _safe_call
        self._booster = booster  # the handle points into it
        self._row = np.empty(n_columns)
        self._made = np.empty(n_columns + 1 if kind == CONTRIBUTIONS else 1)
        self._n_made = ctypes.c_int64(0)
        self._handle = ctypes.c_void_p()
        _safe_call(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,
                ctypes.c_int(kind),
                ctypes.c_int(0),
                ctypes.c_int(_ALL_TREES),
                ctypes.c_int(_DOUBLE),
                ctypes.c_int32(n_columns),
                ctypes.c_char_p(_ONE_THREAD),
                ctypes.byref(self._handle),
            )
        )
        self._arguments = (
            self._handle,
            ctypes.c_void_p(self._row.ctypes.data),
            ctypes.byref(self._n_made),
            ctypes.c_void_p(self._made.ctypes.data),
        )

    def of(self, row: np.ndarray) -> np.ndarray:
        self._row[:] = row
        self._checked(self._lib.LGBM_BoosterPredictForMatSingleRowFast(*self._arguments))
        return self._made.copy()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._lib.LGBM_FastConfigFree(self._handle)
