"""The benchmark suite: figures of the suite and, in the same run on the same store, what they are measured against."""
