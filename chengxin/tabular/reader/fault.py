"""A problem of a file as the reader reports it: a code of `chengxin.tabular.problems`, and the values for its text."""


class Fault(Exception):
    """One problem of a file. `chengxin.errors` is no base for it: that imports gRPC, which takes a reader 80 ms."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = {name: str(value) for name, value in params.items()}
