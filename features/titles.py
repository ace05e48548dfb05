"""Seniority and function from a job title, in English, German, French and Spanish.

Titles are typed by people: "Sr. VP, Sales", "GESCHÄFTSFÜHRER(IN)", "Directrice générale adjointe". They are folded to plain lower-case
words first; then the first rule that matches decides, from the most to the least senior. A known title that no rule understands is
``other``; a missing one is None.

The rules read what the title says, not what the person may do: an "account manager" counts as a manager.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SENIORITIES = ("c_level", "vp", "director", "manager", "senior", "individual", "other")
FUNCTIONS = (
    "general_management", "sales", "marketing", "technology", "data", "product", "finance", "people", "operations",
    "purchasing", "legal", "customer_service", "research", "consulting", "other",
)  # fmt: skip

_HELPS = r"assistante?|assisten[tz](?:in)?|asistente|secretary|secretaire|secretari[ao]|sekretar\w*"
# Read from top to bottom. Words are folded: no accents, no capitals, no punctuation.
_SENIORITY_RULES = (
    ("other", r"(?:former|formerly|ex|retired|ehemalige[rs]?|ancien(?:ne)?|retraitee?|rentner(?:in)?|jubilad[oa])"),
    # "Assistant to the CEO" is no CEO, but an assistant manager is a manager.
    ("individual", rf"(?:{_HELPS}) (?:to|of|for|der|des|dem|de|du|von|del|a la)"),
    ("individual", rf"(?:{_HELPS})(?! (?:vice|vp|director|manager|general|managing|head|principal))"),
    ("individual", r"intern|internship|trainee|apprentice|praktikant\w*|werkstudent\w*|azubi|auszubildende[rn]?|stagiaire"
                   r"|alternante?|apprentie?|becari[oa]|practicante|junior|jr|(?:student|studentin|etudiante?|estudiante)$"),
    ("c_level", r"c[efmtoirsdpa]o|chro|ciso|cxo|cco|cbo|cgo|clo|c (?:level|suite)|chief (?:\w+ ){1,4}officer"
                r"|chief (?:executive|technology|technical|financial|finance|operating|operations|marketing|information|revenue"
                r"|product|people|data|digital|security|commercial|customer|strategy|growth|legal|medical|scientific)"),
    ("c_level", r"(?:co ?)?founder|founding partner|(?:co ?)?fondat(?:eur|rice)|(?:co ?)?fundador[a]?|(?:mit)?gru?e?nder(?:in)?"),
    ("c_level", r"(?<!product )(?<!process )(?<!service )(?<!data )(?<!system )(?<!project )(?<!application )(?<!platform )"
                r"(?<!technical )owner|proprietor|proprietaire|propietari[oa]|inhaber(?:in)?|eigentumer(?:in)?"),
    ("c_level", r"(?<!vice )(?:president|presidente|presidenta|prasident|prasidentin)|pdg|chair(?:man|woman|person)?"
                r"|(?:board|executive) member|member of (?:\w+ ){1,3}board"
                r"|vorstand\w*"),
    ("c_level", r"(?:managing|executive) director|director[a]? (?:general|ejecutiv[oa])|direct(?:eur|rice) generale?|gerente general"
                r"|gerante?|dirigeante?|consejer[oa] delegad[oa]|gescha?e?ftsf(?:u|ue)hr\w*|gescha?e?ftsleit\w*"
                r"|(?:managing|general|senior|equity) partner|^partner(?:in)?$"),
    ("vp", r"[seagr]?vp|vice ?president[ae]?|vizeprasident(?:in)?"),
    ("manager", r"(?:team|gruppen|projekt|abteilungs|filial|schicht)leit\w*"),
    ("director", r"director[as]?|directors|direct(?:eur|rice)s?|direktor(?:in)?|dir|subdirector[a]?|chief of staff|general manager"
                 r"|d(?:si|rh|af)"
                 r"|head(?! (?:hunter|teacher|coach|nurse|chef|cook))|\w*leiter(?:in)?|\w*leitung|prokurist(?:in)?"),
    ("manager", r"\w*manager(?:in)?|managers|mgr|team ?lead(?:er)?|lead$|lead (?:of|for)|leader|supervisor|foreman|responsable"
                r"|chef(?:fe)? d\w*|jef[ea]|gerente|encargad[oa]|management"),
    ("senior", r"senior|sr|snr|principal|lead|staff (?:\w+ )?(?:engineer|developer|scientist|designer)|expert\w*|experte|chief"
               r"|\w*architect\w*|\w*architekt(?:in)?|fellow"),
    ("individual", r"\w*engineer|\w*ingenieur\w*|ingenier[oa]|\w*developer|\w*entwickler(?:in)?|developpeu(?:r|se)|desarrollador[a]?"
                   r"|\w*analyst(?:e|in)?|analista|\w*specialist(?:e)?|\w*spezialist(?:in)?|especialista|\w*consultant(?:e|in)?"
                   r"|\w*berater(?:in)?|consultor[a]?|representative|rep|[sb]dr|(?:account|marketing|sales) executive|associate"
                   r"|coordinat(?:or|eur|rice)|koordinator(?:in)?|coordinador[a]?|administrat(?:or|eur)|administrador[a]?|admin"
                   r"|officer|designer(?:in)?|\w*scientist|researcher|accountant|buyer|\w*einkaufer(?:in)?|acheteu(?:r|se)|technician"
                   r"|\w*techniker(?:in)?|technicien(?:ne)?|tecnic[oa]|clerk|\w*sachbearbeiter(?:in)?|\w*referent(?:in)?"
                   r"|\w*mitarbeiter(?:in)?|\w*kauf(?:mann|frau)|employee|agent|advis[eo]r|teacher|professor|programm(?:er|ierer)\w*"
                   r"|recruiter|editor|writer|chargee?|commerciale?|comercial|vendedor[a]?|\w*verkaufer(?:in)?|planner|operator|worker"
                   r"|buchhalter(?:in)?|comptable|contable|controller(?:in)?"
                   r"|(?:business|talent|people|acquisition) partner|product owner|scrum master|salesperson|salesman"),
)  # fmt: skip

_FUNCTION_RULES = (
    ("general_management", r"c(?:e|x)o|(?:co ?)?founder|(?:co ?)?fondat(?:eur|rice)|(?:co ?)?fundador[a]?|(?:mit)?gru?e?nder(?:in)?"
                           r"|(?<!product )(?<!process )(?<!service )(?<!data )owner|inhaber(?:in)?|propietari[oa]|proprietaire"
                           r"|(?<!vice )president[ae]?|pdg|chief executive|(?:managing|executive) director|general manager"
                           r"|director[a]? general|direct(?:eur|rice) generale?|gerente general|gerante?|vorstand\w*"
                           r"|gescha?e?fts(?:fu|fue|leit)\w*|chairman|consejer[oa] delegad[oa]|board member"),
    ("sales", r"sales\w*|presales|\w*vertrieb\w*|verkauf\w*|ventes?|ventas|vendedor[a]?|commerciale?|comercial|business development"
              r"|account (?:executive|manager|director)|(?:ingenieure?|chargee?) d affaires|key account\w*"
              r"|[sb]dr|revenue|cro|aussendienst\w*"),
    ("marketing", r"\w*marketing\w*|brand\w*|marca|content|seo|sea|communications?|\w*kommunikation\w*|comunicacion|pr|public relations"
                  r"|growth|demand gen\w*|cmo|social media|community|advertising|werb\w*|publicidad|publicite|presse\w*"),
    ("technology", r"it|software\w*|develop(?:er|ers|ment)|\w*entwickl\w*|developpe\w*|desarrollador[a]?|\w*engineer\w*|\w*ingenieur\w*"
                   r"|ingenier\w*|devops|sre|c[ti]o|ciso|dsi|information|informati\w*|edv|technolog\w*|technical|technik\w*|techniques?"
                   r"|tecnologia|tech|cloud|infrastructure|security|cyber\w*|systems?|sistemas|network\w*|netzwerk\w*|web\w*"
                   r"|programm(?:er|ierer)\w*"),
    ("data", r"data\w*|daten(?!schutz)\w*|datos|donnees|bi|business intelligence|analytics|machine learning|ml|ai|ki|statisti\w*|cdo"),
    ("product", r"products?|produkt(?!ion)\w*|produits?|producto|ux|ui|cpo|\w*design\w*|diseno"),
    ("finance", r"financ\w*|\w*finan[zc]\w*|account(?:ants?|ing)|accounts (?:payable|receivable)|controll(?:er|ing|erin)|controleu\w*"
                r"|treasur\w*|tresor\w*|\w*buchhalt\w*|compta\w*|contab\w*|audit\w*|tax|steuer\w*|cfo|daf|payroll|rechnungswesen|billing"
                r"|kaufmannische[rn]? (?:leit\w*|direktor(?:in)?)"),
    ("people", r"hr|human resources|people|talent\w*|recruit\w*|personal(?! assistant| trainer)\w*|chro|d?rh|ressources humaines"
               r"|recursos humanos|rrhh|learning"),
    ("operations", r"operations?|operativ\w*|operaciones|ops|coo|supply\w*|logisti\w*|production|produktion\w*|produccion|fertigung\w*"
                   r"|manufactur\w*|quality|\w*qualit\w*|calidad|plant|warehouse|lager\w*|almacen"
                   r"|facilit\w*|maintenance|betriebs?\w*|werks?leit\w*"),
    ("purchasing", r"purchas\w*|procurement|\w*einkauf\w*|achats?|acheteu\w*|compras|comprador[a]?|buyer|sourcing|beschaffung\w*"),
    ("legal", r"legal|lawyer|counsel|attorney|rechts?\w*|\w*anwalt(?:in)?|jurist\w*|juridi\w*|avocate?|abogad[oa]"
              r"|compliance|privacy|datenschutz\w*"),
    ("customer_service", r"customer\w*|clients?|clientele|support|kunden\w*|service ?desk|help ?desk|atencion|soporte|cco"),
    ("research", r"research\w*|forsch\w*|r d|scientist|recherche|investigacion|science"),
    ("consulting", r"consult\w*|\w*berat\w*|advis\w*|conseil\w*"),
)  # fmt: skip

_SENIORITY_NAMES = {
    "c_level": ("c level", "c suite", "cxo", "clevel", "executive", "owner", "founder", "partner", "board"),
    "vp": ("vp", "vice president"),
    "director": ("director", "head", "director level"),
    "manager": ("manager", "management", "lead", "team lead", "mid management", "middle management"),
    "senior": ("senior", "expert", "senior individual contributor"),
    "individual": ("individual", "individual contributor", "ic", "entry", "entry level", "junior", "intern", "training", "employee",
                   "staff", "non manager", "associate", "mid", "mid level"),
    "other": ("other", "unknown", "none", "n a"),
}  # fmt: skip


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")


_SENIORITY = tuple((level, _rule(pattern)) for level, pattern in _SENIORITY_RULES)
_FUNCTION = tuple((level, _rule(pattern)) for level, pattern in _FUNCTION_RULES)
_NAMED = {name: level for level, names in _SENIORITY_NAMES.items() for name in names}
_DOTTED = re.compile(r"\b(\w)\.(?=\w\b)")
_EMPLOYER = re.compile(r"(?:\s(?:at|bei|chez)\s|\s?@\s?).*")
_SUPERIOR = re.compile(
    r"\b(?<!member )(?:to|for|of) (?:the |our )?(?:office of (?:the )?)?(?:c[efmtoi]o|president|vp|chief"
    r"|managing director|board|founder|owner)\b.*"
)


def folded(title: str) -> str:
    """Lower-case words without accents and punctuation, single spaces; "C.E.O." becomes "ceo".

    >>> folded("  Sr. VP, Marketing & Geschäftsführer(in) ")
    'sr vp marketing geschaftsfuhrer in'
    """
    plain = unicodedata.normalize("NFKD", title.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = _DOTTED.sub(r"\1", plain)
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


@lru_cache(maxsize=20_000)
def seniority_of(title: str) -> str | None:
    """One of ``SENIORITIES`` from a title; None for a blank one.

    >>> seniority_of("Head of Demand Gen"), seniority_of("Assistenz der Geschäftsführung"), seniority_of("Wizard")
    ('director', 'individual', 'other')
    """
    text = folded(_EMPLOYER.sub("", title.casefold()))
    if not text:
        return None if not folded(title) else "other"
    for level, rule in _SENIORITY:
        if rule.search(text if level == "individual" else _SUPERIOR.sub("", text)):
            return level
    return "other"


@lru_cache(maxsize=20_000)
def stated_seniority(text: str) -> str | None:
    """One of ``SENIORITIES`` from a CRM's own seniority field ("C-Suite", "Entry"); read as a title when it is no known name."""
    name = folded(text)
    if not name:
        return None
    return _NAMED.get(name) or seniority_of(text)


@lru_cache(maxsize=20_000)
def function_of(title: str) -> str | None:
    """One of ``FUNCTIONS``: the one named first in a title or in a CRM's own function field; None for a blank one.

    >>> function_of("Head of Sales & Marketing"), function_of("Leiter Einkauf"), function_of("Wizard")
    ('sales', 'purchasing', 'other')
    """
    text = folded(title)
    if not text:
        return None
    name = text.replace(" ", "_")
    if name in FUNCTIONS:
        return name
    text = folded(_EMPLOYER.sub("", title.casefold()))
    hits = [(hit.start(), place) for place, (_, rule) in enumerate(_FUNCTION) if (hit := rule.search(text))]
    return _FUNCTION[min(hits)[1]][0] if hits else "other"
