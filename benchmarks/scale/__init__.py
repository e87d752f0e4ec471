"""The product at size: clusters filled with a million patches, of this tree or of an older commit's.

Nothing here imports the product: an older commit is driven by what every one of them has, `manage.py`, its addresses
and its tables.
"""
