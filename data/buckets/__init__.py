"""The store in Parquet files by lead, for logs larger than memory.

========= =========================================================================================
layout    where the files are, what is in them, and which bucket a lead belongs to
source    reading the store in pieces of a fixed size
owners    which ids belong to which, so that a person's are in one bucket
pieces    one piece of work: rows by bucket, and a bucket's rows in order
build     the whole build: planned, resumed after a kill, only what is new
read      a bucket's leads, profiles and touchpoints in columns
========= =========================================================================================
"""
