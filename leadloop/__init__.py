"""leadloop: lead scoring that closes the loop between marketing and sales.

``import leadloop as ll`` is the front door for notebooks; everything else is imported from data, features, training and serving.
"""

from leadloop import features
from leadloop.notebook import (
    attribute,
    build_dataset,
    check_grades,
    fit_table,
    grades,
    import_tables,
    judge,
    load_scorer,
    open_registry,
    open_store,
    promote,
    recalibrate,
    register,
    reproduce,
    rollback,
    scores,
    shadow,
    snapshots,
    train,
)

__all__ = [
    "attribute",
    "build_dataset",
    "check_grades",
    "features",
    "fit_table",
    "grades",
    "import_tables",
    "judge",
    "load_scorer",
    "open_registry",
    "open_store",
    "promote",
    "recalibrate",
    "register",
    "reproduce",
    "rollback",
    "scores",
    "shadow",
    "snapshots",
    "train",
]
