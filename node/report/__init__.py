"""Reports: the summary and the picture of a run, the folder they lie in, and receipts as files."""
