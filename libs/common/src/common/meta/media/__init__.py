"""Files at Meta: which are carried, of which types, and how they are uploaded."""
