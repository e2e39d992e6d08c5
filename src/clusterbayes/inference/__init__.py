"""How a posterior is learnt: search, sampling, diagnostics, and `fit_cluster`, which joins them."""

from clusterbayes.inference.fit import fit_cluster
from clusterbayes.inference.sampler import SamplingOptions

__all__ = ["SamplingOptions", "fit_cluster"]
