"""Documents that several programs write and read: their forms, and how usage is counted."""
