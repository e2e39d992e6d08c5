"""Many clusters: one fit each, on one machine or on many, in any order and across any interruption.

Jobs come from a folder of tables or from one table of stars (`jobs_from_folder`, `jobs_from_table`); `fit_many` runs
them through dask.distributed and leaves one folder a cluster, a summary of all, and a page that shows them.
"""

from clusterbayes.batch.jobs import Job, jobs_from_folder
from clusterbayes.batch.running import BatchOptions, fit_many
from clusterbayes.batch.splitting import jobs_from_table

__all__ = ["BatchOptions", "Job", "fit_many", "jobs_from_folder", "jobs_from_table"]
