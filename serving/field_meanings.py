"""What the fields of a message mean, in one line each, for the documents that CRM builders read."""

from __future__ import annotations

PROFILE_MEANINGS = {
    "email": "the lead's e-mail address; only its domain and kind are learned from",
    "company": "name of the company",
    "company_domain": "domain of the company's site",
    "title": "job title as it is written",
    "seniority": "level of the job, where it is known apart from the title",
    "job_function": "department, where it is known apart from the title",
    "industry": "the company's industry",
    "country": "the lead's country, code or name",
    "region": "state or region",
    "company_size": "staff as a range, like 51-200",
    "revenue_band": "yearly revenue as a range",
    "source": "how the lead came to you, like webinar or referral",
    "campaign": "the campaign that brought the lead",
    "language": "the lead's language",
    "employees": "how many people work there",
    "annual_revenue": "yearly revenue, always in one currency",
}
_CLICK = "click id of an advertisement"
TELLING_MEANINGS = {
    "utm_source": "utm_source of the visited address",
    "utm_medium": "utm_medium of the visited address",
    "utm_campaign": "utm_campaign of the visited address",
    "referrer": "the page the visit came from",
    "page_url": "the visited address",
    **dict.fromkeys(
        ("gclid", "gbraid", "wbraid", "msclkid", "dclid", "li_fat_id", "ttclid", "twclid", "fbclid"), _CLICK
    ),
    "user_agent": "the visitor's browser",
    "ip": "the visitor's network address",
    "email": "the visitor's e-mail address",
}
