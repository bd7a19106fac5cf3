"""Reads files of records as organs really send them (CSV, XLSX, JSON Lines), for ingest and `chengxin submit`."""
