"""Reads files from outside in a process of its own, which may die: `python -I -m chengxin.tabular.reader`.

No service imports this package: `chengxin.tabular.reading` starts the process, and takes what it has read. The process
has its limits before it sees a byte of the file; it gets the file and a place to write to, and knows nothing else.
"""
