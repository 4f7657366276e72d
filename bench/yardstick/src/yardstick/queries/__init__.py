"""Every query that the services and `wa` send to MongoDB: where it is in the code, what runs it, and its plan."""
