"""Reading patches: parsing, changed words, colours and rows. Pure: no Django, no database here."""
