"""Every query of the list, measured on the data of a year."""
