"""Names of fields that CRMs and people write at, or after, the outcome.

Lists of our own, from what the vendors document and from what such columns are called in exports. A name that the vendor writes with the
outcome itself (``written_at_the_end``) blocks where no history shows what was known when. Names that are kept up to date while a lead is
worked (``kept_up``) warn; together with a ROC-AUC above 0.75 alone and out of time, two suspicions that do not depend on each other,
they block. Names are compared without case, spaces and underscores: ``CloseDate`` is ``close_date``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from data.domain import CUSTOM_PREFIX
from training.learning.leakage.alone import WARN_AUC, Strength
from training.learning.leakage.columns import Column
from training.learning.leakage.finding import Finding


@dataclass(frozen=True, slots=True)
class Listed:
    """Field names of one vendor: lower case, ``*`` for any text. ``source`` says where they come from."""

    vendor: str
    source: str
    written_at_the_end: tuple[str, ...]
    kept_up: tuple[str, ...]


LISTS = (
    Listed(
        "Salesforce", "Salesforce object reference: Lead, Opportunity",
        ("is_converted", "converted_date", "converted_account_id", "converted_contact_id", "converted_opportunity_id",
         "is_won", "is_closed", "close_date", "stage_name", "forecast_category", "forecast_category_name",
         "first_call_date_time", "first_email_date_time"),
        ("last_activity_date", "last_modified_date", "last_viewed_date", "last_stage_change_date", "probability", "amount"),
    ),
    Listed(
        "HubSpot", "HubSpot default contact and deal properties",
        ("hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost", "closed_*_reason", "hs_closed_amount*",
         "hs_lifecyclestage_customer_date", "hs_lifecyclestage_opportunity_date", "recent_deal_*", "total_revenue",
         "hs_analytics_revenue", "num_associated_deals", "hs_date_entered_*", "hs_time_in_*", "notes_last_contacted",
         "num_notes", "hs_lead_status", "lifecyclestage", "dealstage", "hs_deal_stage_probability"),
        ("hs_lastmodifieddate", "lastmodifieddate", "hs_forecast_amount", "num_contacted_notes", "hs_sales_email_last_*",
         "lead_status", "number_of_associated_deals", "last_contacted"),
    ),
    Listed(
        "Odoo", "source of Odoo's crm.lead",
        ("won_status", "lost_reason", "lost_reason_id", "date_closed", "date_conversion", "date_last_stage_update",
         "day_close", "automated_probability"),
        ("stage_id", "probability", "expected_revenue", "prorated_revenue", "day_open", "date_open", "active", "priority"),
    ),
    Listed(
        "Dynamics", "Dynamics 365 Sales: tables lead and opportunity",
        ("statecode", "statuscode", "qualifying_opportunity_id", "actual_close_date", "actual_value", "actual_value_base"),
        ("sales_stage", "sales_stage_code", "close_probability", "step_name", "modified_on", "lead_quality_code",
         "estimated_close_date"),
    ),
    Listed(
        "name", "what such columns are called in exports",
        (),
        ("duration", "call_duration", "talk_time", "call_length", "stage", "deal_stage", "lead_stage", "pipeline_stage",
         "opportunity_stage", "final_stage", "status", "deal_status", "opportunity_status", "final_status", "lead_outcome",
         "outcome", "result", "disposition", "call_outcome", "call_result", "close_value", "closed_value", "close_reason",
         "closed_reason", "closed_at", "closed_on", "deal_value", "won_*", "lost_*", "loss_reason", "converted_*",
         "conversion_date", "conversion_time", "conversion_value", "disqualified_*", "disqualification_*", "total_*_all",
         "*_all_time", "lifetime_*", "last_activity", "last_*_activity", "last_activity_*", "last_contact_date",
         "last_modified", "last_updated", "modified_*", "updated_at", "updated_on", "tags", "invoice_*", "signed_at",
         "signed_on", "contract_signed*"),
    ),
)  # fmt: skip


def folded(name: str) -> str:
    """A name in lower case with single underscores between words; our own prefix and Salesforce's suffix are taken off.

    >>> folded("ConvertedDate"), folded("x_Close Value"), folded("hs_date_entered_123"), folded("Stage__c")
    ('converted_date', 'close_value', 'hs_date_entered_123', 'stage')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.removeprefix(CUSTOM_PREFIX).removesuffix("__c"))
    return re.sub(r"[^a-z0-9]+", "_", words.casefold()).strip("_")


def listed(name: str) -> tuple[Listed, bool] | None:
    """The list a name stands on, and whether it is written at the end; the gravest entry counts. None when no list has it."""
    own = folded(name)
    bare = own.replace("_", "")
    for is_final in (True, False):
        for names in LISTS:
            for pattern in names.written_at_the_end if is_final else names.kept_up:
                if fnmatchcase(own, pattern) or ("*" not in pattern and pattern.replace("_", "") == bare):
                    return names, is_final
    return None


def known_field(column: Column, strength: Strength, *, has_history: bool) -> Finding | None:
    """A field whose name is on a list. ``has_history``: every value was dated when it was stated, so that the name alone is no proof."""
    found = None if column.is_dated else listed(column.field)
    if found is None:
        return None
    names, is_final = found
    is_strong = strength.is_above(WARN_AUC)
    whose = "what exports call a field" if names.vendor == "name" else f"{names.vendor}'s name of a field"
    what = "written with the outcome" if is_final else "kept up to date while a lead is worked, and after"
    return Finding(
        field=column.field,
        probe="known_field",
        action="block" if is_strong or (is_final and not has_history) else "warn",
        says=f"{column.field} is {whose} that is {what}; alone it has a ROC-AUC of {strength.by_time:.3f} on newer leads",
        evidence={"auc_out_of_time": round(strength.by_time, 4), "written_at_the_end": float(is_final)},
    )
