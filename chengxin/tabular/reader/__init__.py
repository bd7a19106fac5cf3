"""Reads files from outside in a process of its own, which may die: `python -I -m chengxin.tabular.reader`.

Nothing here is imported by a service: `chengxin.tabular.reading` starts the process, and takes what it has read. It has
its limits before it sees a byte of the file, it is given the file and a place to write to, and it knows nothing else.
"""
