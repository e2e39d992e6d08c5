"""How probable the data are: the parts of the likelihood and of the prior."""
