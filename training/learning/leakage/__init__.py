"""Fields that know the outcome: found before anything is learned, dropped unless allowed by name.

One probe per module. All of them look only at the older leads; the newest, held out for the evaluation, choose nothing.

- ``alone``: what a field is worth by itself on leads newer than those it was learned from, and the gap to a random split
- ``filled``: whether being filled tells the outcome
- ``one_label``: values, or the field as a whole, seen with one outcome only
- ``change``: fields that begin, end or change at some time
- ``afterwards``: fields filled in after the outcome, where the store holds their history
- ``known_fields``: names that CRMs write at or after the outcome
- ``sweep``: all of them over a dataset, and the dataset without what they block
"""

from training.learning.leakage.finding import Finding
from training.learning.leakage.sweep import find_leaks, without_blocked

__all__ = ["Finding", "find_leaks", "without_blocked"]
