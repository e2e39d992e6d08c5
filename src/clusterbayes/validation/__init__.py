"""Whether the error bars are true: simulate and count, compare with real clusters, look at one fit, average."""
