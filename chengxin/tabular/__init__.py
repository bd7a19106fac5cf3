"""Files of records as organs really send them: CSV, XLSX, JSON Lines. Used by ingest and by `chengxin submit`."""
