"""What a company size tells: one of seven bands, from a head count or a text."""

from __future__ import annotations

import math
import re
from functools import lru_cache

SIZE_BANDS = ("1-10", "11-50", "51-200", "201-500", "501-1000", "1001-5000", "5001+")

_UPPER = (10, 50, 200, 500, 1_000, 5_000)


def band_of_employees(employees: float) -> str | None:
    """The band of a head count; None below 1, which is how CRMs write "not known".

    >>> band_of_employees(350.0), band_of_employees(10.5), band_of_employees(0.0)
    ('201-500', '11-50', None)
    """
    if not math.isfinite(employees) or employees < 1:
        return None
    return SIZE_BANDS[sum(employees > upper for upper in _UPPER)]


@lru_cache(maxsize=5_000)
def band_of_text(text: str) -> str | None:
    """The band of a written size; of a range, the band its middle lies in. None when no number is in it.

    >>> band_of_text("200-499"), band_of_text("11-50 employees"), band_of_text("2000+"), band_of_text("1.000 – 5.000"), band_of_text("5k")
    ('201-500', '11-50', '1001-5000', '1001-5000', '1001-5000')
    """
    plain = re.sub(r"(?<=\d)[,.'’\u00a0\u202f ](?=\d{3}(?!\d))", "", text.casefold())
    numbers = [
        float(n) * (1_000 if k else 1) for n, k in re.findall(r"(\d+(?:\.\d+)?)\s*(k)?(?![a-z])", plain)
    ]
    if not numbers:
        return (
            SIZE_BANDS[0] if re.search(r"\b(?:self[ -]employed|freelancer?|solo|just me)\b", plain) else None
        )
    if re.search(r"(?:<|\bunder\b|\bless than\b|\bbis zu\b|\bup to\b|\bmoins de\b|\bmenos de\b)", plain):
        return band_of_employees(max(1.0, numbers[0] / 2))
    if len(numbers) == 1 and re.search(
        r"(?:>|\bover\b|\bmore than\b|\b[uü]ber\b|\bplus de\b|\bm[aá]s de\b|\+)", plain
    ):
        return band_of_employees(numbers[0] + 1)
    return band_of_employees(sum(numbers[:2]) / len(numbers[:2]))
