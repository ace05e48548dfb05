"""What a lead's history says, in numbers.

============ =====================================================================================
spec         definitions: frozen, hashed records over a closed list of aggregations
meaning      what each aggregation and derivation means, as a number a model keeps
own          your own definitions, a function for each aggregation; ``defining`` fills in and checks, and reads TOML
catalog      the default definitions, and those for a user's own fields
listing      definitions as people read them
executor     touchpoint features, one numpy implementation for training, serving and Spark
seen         which touchpoints a row may see, and selections of them
aggregations what each aggregation computes, and what it gives when there is nothing
rhythm       the aggregations over sessions, hours of the week and days in a row
profile      profile features; ``titles`` and ``companies`` hold the rules for texts
matrix       snapshots to a float matrix with level codes
bucketed     the same from files by lead, in several processes
spark        the same on Spark
drift        how far today's leads are from those a model was trained on
attribution  which channels the goals are credited to; ``paths``, ``touch_rules``, ``markov`` and ``shapley`` hold its parts
============ =====================================================================================
"""
