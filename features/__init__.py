"""What a lead's history says, in numbers.

============ =====================================================================================
spec         definitions: frozen, hashed records over a closed list of aggregations
catalog      the default definitions, and those for a user's own fields
executor     touchpoint features, one numpy implementation for training, serving and Spark
seen         which touchpoints a row may see, and selections of them
aggregations what each aggregation computes, and what it gives when there is nothing
profile      profile features; ``titles`` and ``companies`` hold the rules for texts
matrix       snapshots to a float matrix with level codes
bucketed     the same from files by lead, in several processes
spark        the same on Spark
drift        how far today's leads are from those a model was trained on
============ =====================================================================================
"""
