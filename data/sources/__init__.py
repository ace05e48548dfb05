"""Ways in for data that somebody else keeps: mapping files, CSV and Parquet tables, and the report of an import."""
