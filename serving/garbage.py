"""How a worker collects garbage."""

from __future__ import annotations

import gc


def settle_garbage() -> None:
    """Keep the collector off what stays for ever; to be called once everything is loaded.

    What stays is out of the way then, so looking at young objects often costs little; looked at seldom, the cycles that MLflow's
    client and BentoML leave behind would pile up for a quarter of an hour before anybody took them away.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 100)
