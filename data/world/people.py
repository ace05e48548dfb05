"""Who the leads are: firms and people with invented names, and how well they fit.

Fit is what the firm's product can do for them: company size, seniority and their interaction, function, industry, and a part that no
field shows. Every name is put together from syllables and every address lies under ``.example``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.world.titles import FUNCTIONS, LANGUAGES, SENIORITIES, draw_titles

COUNTRIES = ("US", "GB", "DE", "AT", "CH", "FR", "BE", "ES", "MX", "NL", "SE", "PL")
COUNTRY_SHARE = np.array([0.26, 0.14, 0.17, 0.03, 0.03, 0.11, 0.03, 0.08, 0.04, 0.05, 0.03, 0.03])
COUNTRY_FIT = np.array([0.1, 0.1, 0.15, 0.15, 0.25, 0.0, 0.0, -0.1, -0.4, 0.1, 0.1, -0.2])
TONGUE = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 0, 0, 0])
_LEGAL = ("Inc", "Ltd", "GmbH", "GmbH", "AG", "SAS", "SRL", "SL", "SA de CV", "BV", "AB", "Sp. z o.o.")

INDUSTRIES = (
    "software", "manufacturing", "retail", "finance", "healthcare", "logistics", "education", "media", "construction",
    "public sector", "consulting", "energy",
)  # fmt: skip
INDUSTRY_SHARE = np.array([0.19, 0.15, 0.1, 0.09, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.05, 0.03])
INDUSTRY_FIT = np.array([0.45, 0.2, 0.0, 0.25, -0.1, 0.2, -0.55, -0.1, -0.3, -0.5, 0.15, 0.0])

FUNCTION_SHARE = np.array([0.2, 0.24, 0.16, 0.1, 0.13, 0.08, 0.09])
FUNCTION_FIT = np.array([0.4, 0.3, 0.05, -0.2, 0.25, -0.55, -0.1])
# Rows: firms under 50, 50 to 999, 1,000 people and more. The same title means other things in each.
SENIORITY_SHARE = np.array(
    [[0.3, 0.06, 0.16, 0.26, 0.22], [0.08, 0.1, 0.22, 0.34, 0.26], [0.02, 0.08, 0.2, 0.36, 0.34]]
)
SENIORITY_FIT = np.array(
    [[0.55, 0.3, 0.2, -0.1, -0.6], [0.5, 0.55, 0.45, 0.0, -0.7], [-0.6, 0.1, 0.6, 0.4, -0.6]]
)

# Logarithms of the number of employees: mean and spread, and a tail of large firms above 1,000; of the revenue for each of them.
LOG_SIZE, LARGE_SHARE, LARGE_SCALE, LOG_REVENUE_EACH = (4.6, 1.6), 0.04, 1.1, (11.7, 0.5)
FREE_CHANCE = np.array([0.32, 0.1, 0.1])  # of an address at a free mailer, by class of size
ENGLISH_SHARE = 0.2  # of those who write English wherever they are
DOMAIN_HIDDEN, COMPANY_HIDDEN = 0.1, (0.4, 0.04)  # the latter with and without a free mailer
HIDDEN_FIT = 0.3  # spread of the part of fit that no field shows

_FIRST = (
    "Anna", "Ben", "Carla", "David", "Elena", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Karla", "Leo", "Marta", "Nils",
    "Olga", "Paul", "Rosa", "Simon", "Tara", "Viktor", "Lucie", "Omar", "Priya", "Chen", "Aisha", "Mateo", "Sofia", "Emil",
)  # fmt: skip
_LAST_1 = (
    "Bran",
    "Cor",
    "Dal",
    "Fen",
    "Gar",
    "Hol",
    "Jar",
    "Kel",
    "Lin",
    "Mor",
    "Nor",
    "Pel",
    "Quin",
    "Ros",
    "Sel",
    "Tar",
)
_LAST_2 = ("ba", "den", "fir", "go", "ka", "lo", "mi", "ne", "ra", "so", "ta", "vi")
_LAST_3 = ("ck", "dt", "ll", "mann", "nd", "r", "rez", "s", "sen", "tt", "ux", "x")
_FIRM_1 = (
    "Alto", "Bex", "Ciro", "Dova", "Elmo", "Fyn", "Gero", "Hexa", "Ivo", "Jura", "Kova", "Luma", "Mira", "Nexo", "Orla", "Pyra",
    "Quora", "Rivo", "Sola", "Tivo", "Umbra", "Velo", "Wexa", "Xeno", "Yara", "Zeno",
)  # fmt: skip
_FIRM_2 = (
    "bar",
    "cel",
    "dran",
    "fex",
    "gon",
    "lix",
    "mar",
    "nov",
    "pol",
    "rax",
    "sin",
    "tem",
    "vant",
    "wick",
    "zel",
)
_FIRM_3 = ("a", "eo", "ia", "ic", "ion", "is", "ix", "o", "on", "or", "um", "us")
FREE_MAIL = ("gmail.example", "outlook.example", "yahoo.example", "gmx.example")


@dataclass(frozen=True, slots=True)
class People:
    """Leads' profiles, object arrays of shape (n,) with None where the field is not known, and what is behind them.

    ``fit`` is the true fit in log-odds, ``visible_fit`` the part a salesperson sees in the profile.
    """

    fields: dict[str, np.ndarray]
    fit: np.ndarray
    visible_fit: np.ndarray
    has_email: np.ndarray


def _texts(values: tuple[str, ...]) -> np.ndarray:
    return np.array(values, dtype=object)


def _only(rows: np.ndarray, column: np.ndarray) -> np.ndarray:
    return _hidden(column, ~rows)


def _hide(rng: np.random.Generator, column: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    return _hidden(column, rng.random(len(column)) < share)


def _hidden(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    shown = column.copy()
    shown[rows] = None
    return shown


def draw_people(rng: np.random.Generator, n: int) -> People:
    """``n`` people in about ``0.6 n`` firms, a few firms with many."""
    n_firms = max(20, int(n * 0.6))
    country = rng.choice(len(COUNTRIES), n_firms, p=COUNTRY_SHARE)
    industry = rng.choice(len(INDUSTRIES), n_firms, p=INDUSTRY_SHARE)
    log_size = rng.normal(*LOG_SIZE, n_firms)
    tail = rng.random(n_firms) < LARGE_SHARE
    log_size = np.where(tail, np.log(1_000) + rng.exponential(LARGE_SCALE, n_firms), log_size)
    employees = employees_of(log_size)
    revenue = np.rint(employees * np.exp(rng.normal(*LOG_REVENUE_EACH, n_firms)) / 10_000) * 10_000
    name, domain = _firm_names(n_firms)
    has_size = rng.random(n_firms) > 0.22
    has_revenue = rng.random(n_firms) > 0.55

    # Squaring a uniform number gives low-numbered firms more people.
    firm = (rng.random(n) ** 1.3 * n_firms).astype(np.int64)
    size_class = size_class_of(employees[firm])
    seniority = (rng.random(n)[:, None] > np.cumsum(SENIORITY_SHARE, axis=1)[size_class, :-1]).sum(axis=1)
    function = rng.choice(len(FUNCTIONS), n, p=FUNCTION_SHARE)
    language = np.where(rng.random(n) < ENGLISH_SHARE, 0, TONGUE[country[firm]])

    is_free = rng.random(n) < FREE_CHANCE[size_class]
    has_email = rng.random(n) > 0.03
    address = _addresses(rng, domain=domain[firm], is_free=is_free)
    title = draw_titles(rng, language=language, function=function, seniority=seniority)

    visible = visible_fit(
        employees=employees[firm], seniority=seniority, function=function, industry=industry[firm], country=country[firm],
        is_free=is_free,
    )  # fmt: skip
    fit = visible + rng.normal(0.0, HIDDEN_FIT, n)

    legal = _texts(_LEGAL)[country]
    fields = {
        "email": _only(has_email, address),
        "company": _hide(rng, (name + " " + legal)[firm], np.where(is_free, *COMPANY_HIDDEN)),
        "company_domain": _only(~is_free, _hide(rng, domain[firm], DOMAIN_HIDDEN)),
        "title": _hide(rng, title, 0.12),
        "seniority": _hide(rng, _texts(SENIORITIES)[seniority], 0.2),
        "job_function": _hide(rng, _texts(FUNCTIONS)[function], 0.2),
        "industry": np.where(
            rng.random(n) < 0.03, "n/a", _hide(rng, _texts(INDUSTRIES)[industry[firm]], 0.15)
        ),
        "country": _hide(rng, _texts(COUNTRIES)[country[firm]], 0.05),
        "language": _texts(LANGUAGES)[language],
        "employees": np.where(has_size[firm], employees[firm], np.nan),
        "annual_revenue": np.where(has_revenue[firm], revenue[firm], np.nan),
    }
    return People(fields=fields, fit=fit, visible_fit=visible, has_email=has_email)


def employees_of(log_size: np.ndarray) -> np.ndarray:
    """Whole numbers of employees, 1 to 400,000, shape kept."""
    return np.clip(np.rint(np.exp(log_size)), 1, 400_000)


def size_class_of(employees: np.ndarray) -> np.ndarray:
    """0 under 50 people, 1 under 1,000, else 2; shape kept."""
    return np.digitize(employees, [50, 1_000])


def visible_fit(*, employees, seniority, function, industry, country, is_free) -> np.ndarray:
    """The part of fit that the profile shows, in log-odds: numbers of employees and codes that broadcast together."""
    return 1.4 * (
        1.0 * np.exp(-(((np.log10(employees) - 2.5) / 0.9) ** 2))
        + SENIORITY_FIT[size_class_of(employees), seniority]
        + FUNCTION_FIT[function]
        + INDUSTRY_FIT[industry]
        + COUNTRY_FIT[country]
        - 0.6 * is_free
    )


def _firm_names(n: int) -> tuple[np.ndarray, np.ndarray]:
    stems = np.array([a + b + c for a in _FIRM_1 for b in _FIRM_2 for c in _FIRM_3], dtype=object)
    # A prime step walks over all stems before any comes again; the round's number keeps domains apart.
    place = np.arange(n) * 1_009 % len(stems)
    lap = np.arange(n) // len(stems)
    suffix = np.where(lap == 0, "", lap.astype(str).astype(object))
    lower = np.array([s.lower() for s in stems], dtype=object)
    return stems[place], lower[place] + suffix + ".example"


def _addresses(rng: np.random.Generator, *, domain: np.ndarray, is_free: np.ndarray) -> np.ndarray:
    n = len(domain)
    first = np.array([s.lower() for s in _FIRST], dtype=object)[rng.integers(0, len(_FIRST), n)]
    lasts = np.array([(a + b + c).lower() for a in _LAST_1 for b in _LAST_2 for c in _LAST_3], dtype=object)
    last = lasts[rng.integers(0, len(lasts), n)]
    number = rng.integers(1, 9_999, n).astype(str).astype(object)
    free = _texts(FREE_MAIL)[rng.integers(0, len(FREE_MAIL), n)]
    style = rng.random(n)
    local = np.where(style < 0.65, first + "." + last, np.where(style < 0.85, last, first + "_" + last))
    return np.where(is_free, local + number + "@" + free, local + "@" + domain)
