"""What a profile leaves open about a lead's fit, drawn from what it says.

The fields that are known hold; those that are not are drawn as the world draws them, given the known ones: a title tells seniority and
function, revenue tells size, an address tells whether a free mailer is used, a language tells something about the country.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import qmc

from data.world.people import (
    COMPANY_HIDDEN,
    COUNTRIES,
    COUNTRY_SHARE,
    DOMAIN_HIDDEN,
    ENGLISH_SHARE,
    FREE_CHANCE,
    FREE_MAIL,
    FUNCTION_SHARE,
    HIDDEN_FIT,
    INDUSTRIES,
    INDUSTRY_SHARE,
    LARGE_SCALE,
    LARGE_SHARE,
    LOG_REVENUE_EACH,
    LOG_SIZE,
    SENIORITY_SHARE,
    TONGUE,
    employees_of,
    size_class_of,
    visible_fit,
)
from data.world.titles import FUNCTIONS, LANGUAGES, SENIORITIES, title_table

_N_SIZES = 400
# Shares of (function, seniority) by class of size, shape (3, jobs).
_JOB_SHARE = np.stack([np.outer(FUNCTION_SHARE, own).ravel() for own in SENIORITY_SHARE])


class ProfileDraws:
    """Draws of the visible fit and of the hidden part, given each lead's profile.

    ``leads`` as in ``World.leads``. Draws are low-discrepancy points turned by a random amount for each lead, so few go a long way.
    """

    def __init__(self, leads: pd.DataFrame, *, n_draws: int, seed: int) -> None:
        self._points = qmc.Sobol(6, scramble=False).random(n_draws)
        self._turn = np.random.default_rng(seed).random((len(leads), 6))
        self._employees = leads["employees"].to_numpy(dtype=np.float64)
        self._revenue = leads["annual_revenue"].to_numpy(dtype=np.float64)
        self._country = codes_of(leads["country"], COUNTRIES)
        self._industry = codes_of(leads["industry"], INDUSTRIES)
        self._language = codes_of(leads["language"], LANGUAGES)
        self._job = _job_likelihood(leads, self._language)
        self._free, self._owned = _address_likelihood(leads)
        self._sizes, self._size_share = _size_atoms()

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Visible fit and fit of these leads, float64, shape (len(rows), n_draws)."""
        u = (self._points[None] + self._turn[rows, None]) % 1.0
        employees = self._employees_of(rows, u[..., 0])
        size = size_class_of(employees)
        free = self._free[rows, None] * FREE_CHANCE[size]
        owned = self._owned[rows, None] * (1 - FREE_CHANCE[size])
        job = self._job[rows][:, None, :] * _JOB_SHARE[None]  # (rows, classes, jobs)
        # One row of jobs for each class of size; every draw takes its own class's.
        upto = np.cumsum(job, axis=2)
        upto /= upto[..., -1:]
        own = np.take_along_axis(upto, size[..., None], axis=1)
        code = (u[..., 1, None] > own[..., :-1]).sum(axis=2)
        visible = visible_fit(
            employees=employees,
            function=code // len(SENIORITIES),
            seniority=code % len(SENIORITIES),
            industry=_drawn(self._industry[rows], INDUSTRY_SHARE[None], u[..., 2]),
            country=_drawn(self._country[rows], _country_share(self._language[rows]), u[..., 3]),
            is_free=u[..., 4] * (free + owned) < free,
        )
        return visible, visible + HIDDEN_FIT * ndtri(u[..., 5].clip(1e-9, 1 - 1e-9))

    def _employees_of(self, rows: np.ndarray, u: np.ndarray) -> np.ndarray:
        found = np.repeat(self._employees[rows, None], u.shape[1], axis=1)
        open_ = np.flatnonzero(np.isnan(self._employees[rows]))
        if len(open_):
            own = rows[open_]
            size = size_class_of(self._sizes)
            by_job = (self._job[own][:, None, :] * _JOB_SHARE[None]).sum(axis=2)[:, size]
            by_mail = self._free[own, None] * FREE_CHANCE[size] + self._owned[own, None] * (
                1 - FREE_CHANCE[size]
            )
            off = np.log(self._revenue[own, None] / self._sizes) - LOG_REVENUE_EACH[0]
            by_revenue = np.where(np.isnan(off), 1.0, np.exp(-0.5 * (off / LOG_REVENUE_EACH[1]) ** 2))
            upto = np.cumsum(self._size_share * by_job * by_mail * by_revenue, axis=1)
            upto /= upto[:, -1:]
            place = [np.searchsorted(one, v) for one, v in zip(upto, u[open_], strict=True)]
            found[open_] = self._sizes[np.minimum(np.array(place), len(self._sizes) - 1)]
        return found


def codes_of(column: pd.Series, levels: tuple[str, ...]) -> np.ndarray:
    """Position of each text among the levels, -1 where it is not known (or "n/a"); shape (n,)."""
    place = {level: code for code, level in enumerate(levels)}
    return column.astype(object).map(lambda text: place.get(text, -1)).to_numpy(dtype=np.int64)


def _drawn(known: np.ndarray, share: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The known code of each row, or one drawn with these shares for each of its ``u``, shape (n, n_draws)."""
    upto = np.cumsum(np.broadcast_to(share, (len(known), share.shape[1])), axis=1)
    upto = upto / upto[:, -1:]
    drawn = (u[..., None] > upto[:, None, :-1]).sum(axis=2)
    return np.where(known[:, None] >= 0, known[:, None], drawn)


def _country_share(language: np.ndarray) -> np.ndarray:
    """Chances of each country given the language, not normalised, shape (n, countries)."""
    speaks = ENGLISH_SHARE * (language[:, None] == 0) + (1 - ENGLISH_SHARE) * (language[:, None] == TONGUE)
    return COUNTRY_SHARE * speaks


def _address_likelihood(leads: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Likelihood of what is known of mail, domain and firm with a free mailer, and with an address of one's own."""
    domain = leads["email"].str.rpartition("@")[2].to_numpy()
    has_mail, is_free = leads["email"].notna().to_numpy(), np.isin(domain.astype(str), FREE_MAIL)
    has_domain, has_firm = leads["company_domain"].notna().to_numpy(), leads["company"].notna().to_numpy()
    hidden_free, hidden_owned = COMPANY_HIDDEN
    free = np.where(has_firm, 1 - hidden_free, hidden_free) * ~has_domain
    owned = np.where(has_firm, 1 - hidden_owned, hidden_owned)
    owned = owned * np.where(has_domain, 1 - DOMAIN_HIDDEN, DOMAIN_HIDDEN)
    return np.where(has_mail, is_free, free), np.where(has_mail, ~is_free, owned)


def _job_likelihood(leads: pd.DataFrame, language: np.ndarray) -> np.ndarray:
    """Likelihood of title, seniority and function for each (function, seniority), shape (n, jobs)."""
    table = title_table()
    cells: dict[tuple[int, str], np.ndarray] = {}
    for key in np.ndindex(table.start.shape):
        start, count = table.start[key], table.count[key]
        for title in table.titles[start : start + count]:
            own = cells.setdefault((key[0], title), np.zeros(table.start.shape[1:]))
            own[key[1:]] += 1 / count
    n_jobs = len(FUNCTIONS) * len(SENIORITIES)
    found = np.ones((len(leads), n_jobs))
    for row, (tongue, title) in enumerate(zip(language.tolist(), leads["title"].tolist(), strict=True)):
        if isinstance(title, str):
            found[row] = cells[tongue, title].ravel()
    function, seniority = (
        codes_of(leads["job_function"], FUNCTIONS),
        codes_of(leads["seniority"], SENIORITIES),
    )
    job = np.arange(n_jobs)
    found *= (function[:, None] < 0) | (job // len(SENIORITIES) == function[:, None])
    found *= (seniority[:, None] < 0) | (job % len(SENIORITIES) == seniority[:, None])
    return found


def _size_atoms() -> tuple[np.ndarray, np.ndarray]:
    """Numbers of employees that stand for the firm's sizes, and their shares."""
    middle = (np.arange(_N_SIZES) + 0.5) / _N_SIZES
    usual = employees_of(LOG_SIZE[0] + LOG_SIZE[1] * ndtri(middle))
    few = middle[:: _N_SIZES // 50]
    large = employees_of(np.log(1_000) - LARGE_SCALE * np.log1p(-few))
    shares = (
        np.full(len(usual), (1 - LARGE_SHARE) / len(usual)),
        np.full(len(large), LARGE_SHARE / len(large)),
    )
    return np.concatenate([usual, large]), np.concatenate(shares)
