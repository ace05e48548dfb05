"""leadloop: lead scoring that closes the loop between marketing and sales.

``import leadloop as ll`` is the front door for notebooks; everything else is imported from data, features, training and serving.
"""

from leadloop.notebook import (
    build_dataset,
    fit_table,
    import_tables,
    judge,
    load_scorer,
    open_registry,
    open_store,
    promote,
    register,
    reproduce,
    rollback,
    scores,
    snapshots,
    train,
)

__all__ = [
    "build_dataset",
    "fit_table",
    "import_tables",
    "judge",
    "load_scorer",
    "open_registry",
    "open_store",
    "promote",
    "register",
    "reproduce",
    "rollback",
    "scores",
    "snapshots",
    "train",
]
