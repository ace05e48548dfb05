"""What a lead's history says, in numbers.

========== =====================================================================================
spec       definitions: frozen, hashed records over a closed list of aggregations
catalog    the default definitions, and those for a user's own fields
executor   touchpoint features, one numpy implementation for training, serving and Spark
profile    profile features; ``titles`` and ``companies`` hold the rules for texts
matrix     snapshots to a float matrix with level codes
drift      how far two matrices differ
========== =====================================================================================
"""
