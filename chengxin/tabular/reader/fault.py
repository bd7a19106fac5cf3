"""What is wrong with a file, as the reader says it: a code of `chengxin.tabular.problems`, and the words that go in."""


class Fault(Exception):
    """One thing wrong with a file. The errors of the house come with gRPC, which takes a reader 80 ms to import."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = {name: str(value) for name, value in params.items()}
